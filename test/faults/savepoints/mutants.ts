/** Outboxes that are wrong about savepoints, made of the right one: what they are given reaches it late, or elsewhere. */
import type { Db, Tx } from '../../support/outbox-databases.js'

type Outbox = Tx['outbox']
/** Something done through an outbox, to be done through the real one. */
type Call = (outbox: Outbox) => void

/** Whose calls are kept where. */
interface Scope {
  readonly calls: Call[]
  /** Of a savepoint opened in this scope. */
  nested(): Scope
  /** The savepoint was released; when it is rolled back nothing is called. */
  released(into: Scope): void
}

/** An event belongs to the handle that it went through, and not to the savepoint that is open. */
export const lexicalScopes = (db: Db): Db => mutate(db, newLexicalScope)

function newLexicalScope(): Scope {
  const calls: Call[] = []
  return { calls, nested: newLexicalScope, released: (into) => into.calls.push(...calls) }
}

/** A rolled-back savepoint keeps what was done in it. */
export const savepointsIgnored = (db: Db): Db => mutate(db, newFlatScope)

function newFlatScope(calls: Call[] = []): Scope {
  return { calls, nested: () => newFlatScope(calls), released: () => {} }
}

/** One journal for the whole process: whoever commits first takes what others have done so far. */
export const sharedJournal = (db: Db): Db => {
  const calls: Call[] = []
  return mutate(db, () => newFlatScope(calls))
}

function mutate(db: Db, newScope: () => Scope): Db {
  const transaction = <T>(run: (tx: Tx) => Promise<T>): Promise<T> =>
    db.transaction(async (tx) => {
      const scope = newScope()
      const result = await run(mutateTx(tx, scope))
      for (const call of scope.calls.splice(0)) call(tx.outbox)
      return result
    })
  return Object.create(db, { transaction: { value: transaction } })
}

function mutateTx(tx: Tx, scope: Scope): Tx {
  const transaction = async <T>(run: (tx: Tx) => Promise<T>): Promise<T> => {
    const inner = scope.nested()
    const result = await tx.transaction((savepoint) => run(mutateTx(savepoint, inner)))
    inner.released(scope)
    return result
  }
  const later =
    (name: 'add' | 'afterCommit' | 'metadata') =>
    (...args: readonly unknown[]) =>
      void scope.calls.push((outbox) => (outbox[name] as (...args: readonly unknown[]) => void)(...args))
  const outbox: Outbox = {
    add: later('add'),
    afterCommit: later('afterCommit'),
    metadata: later('metadata'),
    versionOf: (events, id) => tx.outbox.versionOf(events, id),
  }
  return Object.create(tx, { transaction: { value: transaction }, outbox: { value: outbox } })
}
