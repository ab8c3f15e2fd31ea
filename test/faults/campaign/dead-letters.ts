/** Events that were put aside, and not taken care of since. */
import pg from 'pg'

export async function countDeadLetters(databaseUrl: string): Promise<number> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const { rows: tables } = await client.query(`select to_regclass('outbox_dead_letters') as found`)
    if (tables[0].found === null) return 0
    const { rows } = await client.query('select count(*) from outbox_dead_letters')
    return Number(rows[0].count)
  } finally {
    await client.end()
  }
}
