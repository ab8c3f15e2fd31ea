import { Option } from 'commander'
import { type Migration, qualify, readMigrations } from '../../event-log/migrations.js'
import { readInstalledSchema } from '../../event-log/schema-version.js'
import { quoteIdentifier, resolveTables } from '../../event-log/tables.js'
import type { CommandSpec, Context } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { print } from '../output/stdout.js'
import { configOption, type SessionOptions, withSession } from '../session.js'

interface SqlOptions extends SessionOptions {
  readonly missing?: true
  readonly schema?: string
  readonly prefix?: string
}

export const sqlCommand: CommandSpec<SqlOptions> = {
  name: 'sql',
  summary: 'print the SQL that makes the tables',
  description: `Prints the SQL that makes the outbox tables, for your own migration tool. With --missing it looks at the
database, and prints only what brings its tables up to this release: nothing, if they are.

Opens no connection without --missing. drizzle-kit needs none of this: export * from "drizzle-outbox/schema".`,
  options: [
    new Option('--missing', 'only what the tables of the configured database lack'),
    new Option('--schema <name>', 'the tables in another schema').conflicts('missing'),
    new Option('--prefix <prefix>', 'what their names begin with (default: outbox_)').conflicts('missing'),
    configOption,
  ],
  examples: [
    ['sql > migrations/0007_outbox.sql', 'a first migration'],
    ['sql --missing > migrations/0012_outbox.sql', 'after an update of drizzle-outbox'],
    ['sql --schema messaging --prefix shop_', 'tables such as messaging.shop_events'],
  ],
  async run(options, context) {
    if (options.missing) return printMissing(options, context)
    const { schema, prefix } = resolveTables(options)
    if (schema !== undefined) await print(`CREATE SCHEMA IF NOT EXISTS ${quoteIdentifier(schema)};\n`)
    await printStatements(await readMigrations({ prefix }), schema)
    return EXIT.ok
  },
}

function printMissing(options: SessionOptions, context: Context) {
  return withSession(options, context, async ({ log }) => {
    const { schema, prefix } = log.tables
    const installed = await readInstalledSchema(log)
    if (installed?.by === 'migrateOutbox')
      context.log.say(
        'These tables were made by migrateOutbox: let it bring them up to date (`npx drizzle-outbox migrate`).',
      )
    const found = installed?.version ?? 0
    const missing = (await readMigrations({ prefix })).filter(({ version }) => version > found)
    if (missing.length === 0) context.log.say(`The tables are at version ${found}: nothing is missing.`)
    await printStatements(missing, schema)
    return EXIT.ok
  })
}

async function printStatements(migrations: readonly Migration[], schema: string | undefined): Promise<void> {
  for (const { statements, version } of migrations) {
    await print(`-- drizzle-outbox, tables of version ${version}`)
    for (const statement of statements) {
      const text = statement.trim().replace(/;$/, '')
      await print(`${schema === undefined ? text : qualify(text, schema)};\n`)
    }
  }
}
