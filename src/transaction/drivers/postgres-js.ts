import { randomUUID } from 'node:crypto'
import { transactionEnded, transactionLost } from '../../errors.js'
import { fenceStatement } from '../../event-log/fence.js'
import type { BoundStatement } from '../../event-log/statement.js'
import { type Connection, type Driver, UNWATCHED } from './connection.js'
import type { DrizzleDatabase, DrizzleTransaction } from './drizzle-database.js'
import { ASK_PROCESS_ID, PoolerDetection } from './pooler.js'
import { listenByClientOf, type Options } from './postgres-js-listen.js'

/**
 * postgres.js does not tell a transaction that its connection is gone. `begin` rejects, but the callback runs on, and
 * what it sends, like the driver's own "rollback", goes to the connection's slot in the pool. If that has connected
 * anew, each statement commits by itself; if it has not, writing to no socket throws where nobody can catch it, and the
 * slot hangs for good (postgres.js issues 1066, 1154, 1208). So whatever a lost transaction sends is stopped at the
 * slot. Should a later version hide the slot from us, the fence still keeps events out of the log.
 */
export function postgresJs(database: DrizzleDatabase): Driver | undefined {
  const { $client: client } = database
  if (!isSql(client)) return undefined
  return {
    transaction: (run, ...config) => database.transaction(run, ...config),
    watch: ({ session }) => (isSql(session?.client) ? new ScopedConnection(session.client) : UNWATCHED),
    listen: listenByClientOf(client),
  }
}

class ScopedConnection implements Connection {
  readonly fence = randomUUID()
  readonly #sql: Sql
  readonly #first: SqlQuery
  #slot: Slot | undefined
  #lost = false
  #left = false
  /** Rejections that are held back until the connection is known to be lost. */
  readonly #unheard: (() => void)[] = []

  constructor(sql: Sql) {
    this.#sql = sql
    this.#knowSender(sql)
    // Not awaited: it goes ahead of the callback's own statements. If it fails, so will the flush, for want of a fence.
    this.#first = sql.unsafe(fenceStatement(this.fence), [], { onexecute: (slot) => this.#onSlot(slot) })
    this.#first.catch(() => {})
  }

  get lost(): boolean {
    return this.#lost
  }

  enter({ session }: DrizzleTransaction): void {
    if (isSql(session?.client)) this.#knowSender(session.client)
  }

  async executeBound({ text, params }: BoundStatement): Promise<unknown> {
    const { state } = this.#first
    const ask = async () => (await this.#sql.unsafe(ASK_PROCESS_ID))[0]?.pid
    const prepare = state != null && (await poolers.isDirect(state, state.pid, ask))
    return this.#sql.unsafe(text, params, { prepare })
  }

  leave(): void {
    this.#left = true
    if (this.#slot !== undefined && users.get(this.#slot) === this) users.delete(this.#slot)
  }

  /** A statement of this transaction is about to go to the slot. */
  send(query: SqlQuery, execute: Slot['execute']): unknown {
    if (this.#lost || this.#left) {
      query.reject(this.#lost ? transactionLost() : transactionEnded())
      return true
    }
    if (query.tagged && TRANSACTION_CONTROL.test(query.strings[0] ?? '')) query.options.prepare = false
    const { reject } = query
    query.reject = (error) => {
      // A connection that is reset fails first and closes a turn later. Who heard of it in between, and sent more, would
      // never hear again.
      if ('syscall' in error && !this.#lost) this.#unheard.push(() => reject(error))
      else reject(error)
    }
    return execute(query)
  }

  /** The transaction sends through one function, and each savepoint of it through another. */
  #knowSender(sql: Sql): void {
    const { handler } = sql.unsafe('') // a query that nobody awaits is never sent
    if (typeof handler === 'function') senders.set(handler, this)
  }

  /** @returns whether more statements may be sent before this one is answered. */
  #onSlot(slot: Slot): true {
    this.#slot = slot
    watch(slot)
    users.set(slot, this)
    const { onclose } = slot // rejects `begin`
    slot.onclose = (error) => {
      // Before any promise settles: nobody can send a statement that meets the connection without this.
      if (!this.#left) this.#lost = true
      this.leave()
      onclose?.(error)
      for (const hear of this.#unheard.splice(0)) hear()
    }
    return true
  }
}

/** Who has sent a statement. Outlives the transaction, whose callback may run on. */
const senders = new WeakMap<object, ScopedConnection>()
/** Who has a slot at the moment: a savepoint is opened by a sender that we do not know yet. */
const users = new WeakMap<Slot, ScopedConnection>()
const watched = new WeakSet<Slot>()

function watch(slot: Slot): void {
  if (watched.has(slot) || typeof slot.execute !== 'function') return
  watched.add(slot)
  const { execute } = slot
  slot.execute = (query) => {
    const transaction = senders.get(query.handler) ?? users.get(slot)
    return transaction === undefined ? execute(query) : transaction.send(query, execute)
  }
}

/**
 * The driver prepares its own COMMIT. Behind a pooler, a server connection that does not know the statement aborts the
 * transaction, the driver sends COMMIT again, and takes the rollback that this is for success (issue 1212).
 */
const TRANSACTION_CONTROL = /^(commit|rollback|savepoint|prepare transaction)/

const poolers = new PoolerDetection()

/** What we use of postgres.js, of which only `unsafe` and `options` are in its documentation. */
interface Sql {
  readonly options: Options
  unsafe(
    text: string,
    params?: readonly unknown[],
    options?: { readonly prepare?: boolean; readonly onexecute?: (slot: Slot) => boolean },
  ): SqlQuery
}

interface SqlQuery extends Promise<readonly { readonly pid?: string }[]> {
  /** Whether it was written as a tagged template, as the driver writes its own. */
  readonly tagged: boolean
  readonly strings: readonly string[]
  readonly options: { prepare?: boolean }
  readonly handler: object
  /** Of the connection that it runs on: one object for each slot, with another process id when that connects anew. */
  readonly state?: { readonly pid?: number | null } | null
  reject(error: Error): void
}

/** A place in the pool. */
interface Slot {
  execute(query: SqlQuery): unknown
  onclose?: ((error: unknown) => void) | null
}

function isSql(client: unknown): client is Sql {
  return typeof client === 'function' && 'unsafe' in client
}
