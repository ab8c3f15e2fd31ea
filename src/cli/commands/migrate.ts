import { Option } from 'commander'
import { migrateOutbox } from '../../event-log/migrate.js'
import { readInstalledSchema, SCHEMA_VERSION } from '../../event-log/schema-version.js'
import type { CommandSpec } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { print, printJson } from '../output/stdout.js'
import { configOption, type SessionOptions, withSession } from '../session.js'

interface MigrateOptions extends SessionOptions {
  readonly dryRun?: true
}

export const migrateCommand: CommandSpec<MigrateOptions> = {
  name: 'migrate',
  summary: 'make the tables, or bring them up to date',
  description: `Makes the outbox tables in the configured database, or brings them up to this release: migrateOutbox(db),
from a shell. May run in many places at once. It refuses tables that other migrations have made; for those there
is \`sql --missing\`.`,
  options: [configOption, new Option('--dry-run', 'only say what would be done')],
  json: true,
  examples: [
    ['migrate', 'before a deployment'],
    ['migrate --dry-run', 'is there anything to do?'],
  ],
  run: (options, context) =>
    withSession(options, context, async ({ db, log }) => {
      const { names, schema, prefix } = log.tables
      const from = (await readInstalledSchema(log))?.version ?? null
      if (!options.dryRun) await migrateOutbox(db, { schema, prefix })
      const to = options.dryRun
        ? Math.max(from ?? 0, SCHEMA_VERSION)
        : (await readInstalledSchema(log))?.version
      const what = `${names.events} and the other tables`
      if (context.json)
        await printJson({ tables: names, from, to: to ?? null, dryRun: options.dryRun === true })
      else if (from === to) await print(`${what} are at version ${to}: nothing to do`)
      else if (options.dryRun)
        await print(`${what} would be ${from === null ? 'made' : 'brought'} ${step(from, to)}`)
      else await print(`${what} are ${from === null ? 'made' : 'up to date'} ${step(from, to)}`)
      return EXIT.ok
    }),
}

function step(from: number | null, to: number | undefined): string {
  return from === null ? `(version ${to})` : `(from version ${from} to ${to})`
}
