import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import type { CommandSpec } from '../command.js'
import { CONFIG_FILES } from '../config/load-config.js'
import { CONFIG_TEMPLATE, EXAMPLE_FILE, EXAMPLE_TEMPLATE, PACKAGES } from '../config/templates.js'
import { EXIT, Failure } from '../exit-codes.js'
import { print } from '../output/stdout.js'
import { paintFor } from '../output/style.js'

export const initCommand: CommandSpec<object> = {
  name: 'init',
  summary: 'write a configuration, and say what comes next',
  description: `Writes ${CONFIG_FILES[0]}, with a comment on everything, and ${EXAMPLE_FILE}, which stores a first event.
Says what to type next. Overwrites nothing, opens no connection.`,
  examples: [['init', 'in the folder of your package.json']],
  async run() {
    const there = [...CONFIG_FILES, EXAMPLE_FILE].filter((file) => existsSync(file))
    if (there.length > 0)
      throw new Failure(
        `${there.join(' and ')} ${there.length > 1 ? 'are' : 'is'} there already; init overwrites nothing`,
      )
    await writeFile(CONFIG_FILES[0], CONFIG_TEMPLATE, { flag: 'wx' })
    await writeFile(EXAMPLE_FILE, EXAMPLE_TEMPLATE, { flag: 'wx' })
    await print(nextSteps())
    return EXIT.ok
  },
}

function nextSteps(): string {
  const paint = paintFor(process.stdout)
  const step = (number: number, what: string, ...commands: string[]) =>
    [`${number}. ${what}`, '', ...commands.map((command) => `     ${paint('bold', command)}`), ''].join('\n')
  return [
    `Wrote ${CONFIG_FILES[0]} and ${EXAMPLE_FILE}. Three steps to a first event:`,
    '',
    step(1, 'Install what they import.', `npm install ${PACKAGES.join(' ')}`),
    step(
      2,
      'Make the tables. DATABASE_URL names your PostgreSQL, such as postgres://postgres@localhost:5432/postgres',
      'npx drizzle-outbox migrate',
    ),
    step(
      3,
      'Store an event, and publish it. NATS_URL names your NATS server with JetStream (default: localhost:4222)',
      `node ${EXAMPLE_FILE}`,
      'npx drizzle-outbox relay --once',
    ),
    `Later: \`npx drizzle-outbox relay\` runs until it is stopped, \`npx drizzle-outbox --help\` has the rest.`,
  ].join('\n')
}
