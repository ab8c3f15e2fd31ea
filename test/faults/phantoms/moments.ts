/** When a transaction can be struck. */
import type pg from 'pg'
import { type Step, steps } from './shop.js'

/** The transaction is idle, between two statements. */
export interface Idle {
  readonly kind: 'idle'
  readonly name: string
  readonly before: Step
}

/** A statement is on its way to the server, or its answer back. */
export interface OnTheWire {
  readonly kind: 'wire'
  readonly name: string
  readonly statement: RegExp
  readonly at: 'statement' | 'answer'
}

/** A statement is running, and waits for something. */
export interface Busy {
  readonly kind: 'busy'
  readonly name: string
  readonly detour?: string
  /** What another session does to make it wait, until it rolls back. */
  readonly obstacle: (order: string) => pg.QueryConfig
  /** How that shows in pg_stat_activity. */
  readonly shows: string
}

export type Moment = Idle | OnTheWire | Busy

export const idle: readonly Idle[] = steps.map((before) => ({
  kind: 'idle',
  name: `idle, before it is to ${before}`,
  before,
}))

const statements: readonly (readonly [string, RegExp])[] = [
  ['begin', /begin/],
  ['the first insert', /insert into orders/],
  ['the update', /update orders/],
  ['savepoint', /(?<!release |to )savepoint/],
  ['an insert in the savepoint', /insert into items/],
  ['the flush', /outbox_events/],
  ['commit', /commit/],
]

export const onTheWire: readonly OnTheWire[] = statements.flatMap(([name, statement]) => [
  { kind: 'wire', name: `${name} is on its way`, statement, at: 'statement' },
  { kind: 'wire', name: `the answer to ${name} is on its way`, statement, at: 'answer' },
])

const waitsForLock = `wait_event_type = 'Lock'`

export const busy: readonly Busy[] = [
  {
    kind: 'busy',
    name: 'a statement runs',
    detour: 'select pg_sleep(60)',
    obstacle: () => ({ text: 'select 1' }),
    shows: `wait_event = 'PgSleep'`,
  },
  {
    kind: 'busy',
    name: 'a statement waits for a lock',
    detour: 'update contested set n = n + 1',
    obstacle: () => ({ text: 'update contested set n = n + 1' }),
    shows: waitsForLock,
  },
  {
    kind: 'busy',
    name: 'the flush waits for the head of an aggregate',
    obstacle: (order) => ({
      text: `insert into outbox_aggregates (type, id, version) values ('order', $1, 1)`,
      values: [order],
    }),
    shows: waitsForLock,
  },
  {
    kind: 'busy',
    name: 'COMMIT runs',
    obstacle: () => ({ text: 'select pg_advisory_xact_lock(1)' }),
    shows: waitsForLock,
  },
]

/** Nobody but the server may know how it ended. */
export function isInCommit({ name }: Moment): boolean {
  return name === 'COMMIT runs' || name.endsWith('commit is on its way')
}

/** The client may have sent COMMIT, though it never reached the server. */
export function mayHaveSentCommit(moment: Moment): boolean {
  return isInCommit(moment) || moment.name === 'the answer to the flush is on its way'
}
