/** Waits until the relays have come to the end of the log. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/**
 * By their checkpoints, and without waking them.
 *
 * @param progress grows while they publish.
 * @param patienceMs for which it may stand still; a relay that goes round in circles is given up after ten times as long.
 * @returns the relays that have not.
 */
export async function drain(
  databaseUrl: string,
  relays: readonly string[],
  progress: () => number,
  patienceMs: number,
): Promise<string[]> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  try {
    const startedAt = performance.now()
    let [before, since] = [progress(), startedAt]
    for (;;) {
      const behind = await unfinished(client, relays)
      const [stillMs, allMs] = [performance.now() - since, performance.now() - startedAt]
      if (behind.length === 0 || stillMs > patienceMs || allMs > 10 * patienceMs) return behind
      if (progress() !== before) [before, since] = [progress(), performance.now()]
      await sleep(50)
    }
  } finally {
    await client.end()
  }
}

async function unfinished(client: pg.Client, relays: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select name from unnest($1::text[]) name where not exists (
      select from outbox_relays relay where relay.name = name.name and next is null and not exists (
        select from outbox_events
        where xid >= pg_snapshot_xmin(snapshot) and not pg_visible_in_snapshot(xid, snapshot)
      )
    )`,
    [relays],
  )
  return rows.map(({ name }) => name)
}
