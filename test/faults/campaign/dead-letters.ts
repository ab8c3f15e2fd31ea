/** Events that were put aside, and not taken care of since. */
import pg from 'pg'

/** @returns how many there are, by relay and reason. */
export async function countDeadLetters(databaseUrl: string): Promise<{ reason: string; count: number }[]> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const { rows } = await client.query(
      `select relay || ': ' || coalesce(error_code, 'waits') as reason, count(*) from outbox_dead_letters group by 1`,
    )
    return rows.map(({ reason, count }) => ({ reason, count: Number(count) }))
  } finally {
    await client.end()
  }
}
