/**
 * Mutant, over postgres.js: an outbox that takes the connection for its transaction, as most do. It stores events by the
 * last statement before COMMIT, wherever that goes.
 */
import { type SQL, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/postgres-js'
import type { DomainEvent } from 'drizzle-outbox'
import postgres from 'postgres'
import type { Db, OpenDatabase, Tx } from '../../support/outbox-databases.js'

/** A transaction of the driver. */
interface RawTx {
  execute(statement: SQL): PromiseLike<unknown>
  transaction<T>(run: (tx: RawTx) => Promise<T>): Promise<T>
}

export function openWithoutFence(
  url: string,
  _: unknown,
  { connections }: { connections: number },
): OpenDatabase {
  const client = postgres(url, { max: connections, onnotice: () => {} })
  const raw = drizzle({ client }) as unknown as RawTx
  const transaction = <T>(run: (tx: Tx) => Promise<T>) =>
    raw.transaction(async (tx) => {
      const events: DomainEvent[] = []
      const result = await run(withOutbox(tx, events))
      for (const event of events) await append(tx, event)
      return result
    })
  return { db: Object.create(raw, { transaction: { value: transaction } }) as Db, close: () => client.end() }
}

function withOutbox(tx: RawTx, events: DomainEvent[]): Tx {
  const add = (added: DomainEvent | { readonly pendingEvents: readonly DomainEvent[] }) =>
    void events.push(...('pendingEvents' in added ? added.pendingEvents : [added]))
  const transaction = <T>(run: (tx: Tx) => Promise<T>) =>
    tx.transaction((savepoint) => run(withOutbox(savepoint, events)))
  return Object.create(tx, {
    outbox: { value: { add, afterCommit: () => {} } },
    transaction: { value: transaction },
  })
}

async function append(tx: RawTx, event: DomainEvent): Promise<void> {
  await tx.execute(sql`
    insert into outbox_events (id, aggregate_type, aggregate_id, aggregate_version, type, data)
    values (${event.id}::text::uuid, ${event.aggregateType}, ${event.aggregateId}, 1, ${event.type}, '{}')`)
}
