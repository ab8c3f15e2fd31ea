/** The application under faults: accounts that record events, and tables of its own to conflict on. */
import { sql } from 'drizzle-orm'
import { AggregateRoot, defineEvents } from 'drizzle-outbox'
import { z } from 'zod'
import { migrate, type OpenDatabase } from '../support/outbox-databases.js'

export const SOURCE = '/faults'
export const STOCK_ROWS = 8

export const accountEvents = defineEvents('account', {
  moved: z.object({ amount: z.int(), memo: z.string() }),
  noted: z.object({ text: z.string() }),
})

export class Account extends AggregateRoot<typeof accountEvents> {
  constructor(id: string) {
    super(accountEvents, id)
  }

  move(amount: number, memo: string): void {
    this.record('moved', { amount, memo }, { correlationId: `move ${amount} %` })
  }

  note(text: string): void {
    this.record('noted', { text })
  }
}

/**
 * `stock` is for conflicting updates, `notes` for taking a transaction id early. `gates` and `delays` hold up COMMIT
 * itself, when the events have their positions already: a gate until nobody else holds its advisory lock.
 */
export async function createTables(database: OpenDatabase): Promise<void> {
  await migrate(database)
  for (const statement of [
    'create table stock (id int primary key, n int not null default 0)',
    `insert into stock select generate_series(0, ${STOCK_ROWS - 1})`,
    'create table notes (n int)',
    'create table delays (ms int)',
    'create table gates (key int)',
    `create function delay_commit() returns trigger language plpgsql as
      'begin perform pg_sleep(new.ms / 1000.0); return null; end'`,
    `create constraint trigger delay_commit after insert on delays deferrable initially deferred
      for each row execute function delay_commit()`,
    `create function gate_commit() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(new.key); return null; end'`,
    `create constraint trigger gate_commit after insert on gates deferrable initially deferred
      for each row execute function gate_commit()`,
  ])
    await database.db.execute(sql.raw(statement))
}
