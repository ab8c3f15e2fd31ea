/** Applications that let drizzle-kit make the outbox tables with their own, and one that leaves it to migrateOutbox. */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../dev/servers/index.js'
import { freshDatabase } from '../support/servers.js'
import { type Consumer, createConsumer, drizzleLines, runTypeScript } from './consumer.js'
import { packPackage } from './packed.js'

/** Where an application has the tables: its schema for drizzle-kit, and the same for us. */
const places = {
  'in the usual place': { schema: 'kit-schema.ts', tables: {} },
  'in a schema, with a prefix': {
    schema: 'kit-schema-messaging.ts',
    tables: { schema: 'messaging', prefix: 'shop_' },
  },
}

const cases = drizzleLines.flatMap((line) =>
  Object.entries(places).map(([place, { schema, tables }]) => ({ line, place, schema, tables })),
)

describe.each(cases)('with Drizzle $line, $place', ({ line, schema, tables }) => {
  let consumer: Consumer
  const databases: Database[] = []
  beforeAll(async () => {
    const fixtures = ['kit-app.ts', 'migrate-outbox.js']
    const files = {
      'kit-schema.ts': await readFile(new URL(`./fixtures/${schema}`, import.meta.url), 'utf8'),
    }
    consumer = await createConsumer(await packPackage(), { drizzle: line, fixtures, files })
  }, 120_000)
  afterAll(async () => {
    await consumer?.remove()
    for (const database of databases) await database.drop()
  })

  /** Runs in the project, on a database of its own, whose address it gives. */
  async function runOnDatabase(...args: string[]) {
    const database = await freshDatabase()
    databases.push(database)
    const output = await consumer.node(args, { DATABASE_URL: database.url })
    return { url: database.url, output }
  }
  const generate = () =>
    consumer.node([
      ...['node_modules/drizzle-kit/bin.cjs', 'generate', '--dialect', 'postgresql'],
      ...['--schema', './kit-schema.ts', '--out', './migrations'],
    ])

  it('drizzle-kit generates the tables, and an application works with them', async () => {
    expect(await generate()).toContain('Your SQL migration')
    const app = await runOnDatabase(...runTypeScript, 'kit-app.ts')
    expect(JSON.parse(app.output)).toEqual({
      orders: [{ id: '1' }],
      log: [{ type: 'order.placed', data: { total: 42 } }],
      heads: [{ type: 'order', id: '1', version: 1 }],
      published: [{ type: 'order.placed', subject: '1', data: { total: 42 } }],
    })
    expect(await generate()).toContain('No schema changes')

    const { url } = await runOnDatabase('migrate-outbox.js', JSON.stringify(tables))
    const [generated, ours] = await Promise.all([app.url, url].map((at) => describeTables(at, tables)))
    expect(generated).toEqual(ours)
    expect(ours!.length).toBeGreaterThan(20)
  }, 120_000)
})

/** Columns, constraints and indexes of the outbox tables, as PostgreSQL sees them. */
async function describeTables(
  url: string,
  { schema = 'public', prefix = 'outbox_' }: { schema?: string; prefix?: string },
): Promise<string[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ line: string }>(
      `
      with tables as (
        select oid, relname from pg_class
        where relkind = 'r' and relnamespace = $1::regnamespace
          and starts_with(relname, $2) and relname <> $2 || 'migrations')
      select concat_ws(' ', relname, attname, format_type(atttypid, atttypmod), nullif(attidentity, ''),
                       case when attnotnull then 'not null' end, pg_get_expr(adbin, adrelid)) as line
      from tables join pg_attribute on attrelid = tables.oid and attnum > 0 and not attisdropped
        left join pg_attrdef on adrelid = attrelid and adnum = attnum
      union all
      select concat_ws(' ', relname, conname, pg_get_constraintdef(pg_constraint.oid))
      from tables join pg_constraint on conrelid = tables.oid where contype <> 'n'
      union all
      select pg_get_indexdef(indexrelid) from tables join pg_index on indrelid = tables.oid
      order by 1`,
      [schema, prefix],
    )
    return rows.map(({ line }) => line)
  } finally {
    await client.end()
  }
}
