/** Compares what was committed, what the log holds, and what was received: event by event, with no counters. */
import { isDeepStrictEqual } from 'node:util'
import type { Committed } from './ledger.js'
import type { Received } from './received.js'

/** An event as the log holds it, as `recordedEvents` of drizzle-outbox/testing reads it. */
export interface Logged {
  readonly id: string
  readonly aggregateId: string
  readonly aggregateVersion: number
  readonly type: string
  readonly data: unknown
}

export interface Evidence {
  readonly committed: readonly Pick<Committed, 'orderId' | 'version' | 'type'>[]
  /** By position. */
  readonly log: readonly Logged[]
  /** In the order in which it came. */
  readonly received: readonly Omit<Received, 'at'>[]
}

/** Each fault with the events that have it, in words. */
export interface Findings {
  /** Committed and not in the log, or in the log and not received. */
  readonly missing: string[]
  /** Received again, or twice in the log. */
  readonly duplicated: string[]
  /** Received for the first time after a later event of its order; or out of turn (1, 2, 3, …) in the log. */
  readonly outOfOrder: string[]
  /** Not received as the log has it. */
  readonly changed: string[]
  /** In the log without a committed transaction, or received and not in the log. */
  readonly phantoms: string[]
}

export function check({ committed, log, received }: Evidence): Findings {
  const findings: Findings = { missing: [], duplicated: [], outOfOrder: [], changed: [], phantoms: [] }
  checkLog(committed, log, findings)
  checkReceived(log, received, findings)
  return findings
}

function checkLog(committed: Evidence['committed'], log: Evidence['log'], findings: Findings): void {
  const promised = new Map(committed.map((event) => [keyOf(event), event]))
  if (promised.size < committed.length)
    throw new Error('two transactions were told that they recorded the same version of an order')
  const ids = new Set<string>()
  const heads = new Map<string, number>()
  for (const { id, aggregateId: orderId, aggregateVersion: version, type } of log) {
    const name = nameOf({ orderId, version, type })
    if (ids.has(id)) findings.duplicated.push(`${name} is in the log twice`)
    ids.add(id)
    if (version !== (heads.get(orderId) ?? 0) + 1)
      findings.outOfOrder.push(`${name} is out of turn in the log`)
    heads.set(orderId, version)
    if (!promised.delete(keyOf({ orderId, version, type })))
      findings.phantoms.push(`${name} is in the log, and no transaction that was committed recorded it`)
  }
  for (const event of promised.values())
    findings.missing.push(`${nameOf(event)} was committed and is not in the log`)
}

function checkReceived(log: Evidence['log'], received: Evidence['received'], findings: Findings): void {
  const logged = new Map(log.map((event) => [event.id, event]))
  const seen = new Set<string>()
  const heads = new Map<string, number>()
  for (const event of received) {
    const original = logged.get(event.id)
    if (original === undefined) {
      findings.phantoms.push(`${nameOf(event)} was received and is not in the log`)
      continue
    }
    if (!isSame(event, original)) findings.changed.push(`${nameOf(event)} is not what the log has`)
    if (seen.has(event.id)) {
      findings.duplicated.push(`${nameOf(event)} was received again`)
      continue
    }
    seen.add(event.id)
    // By the log's word, not the message's: a changed message is one finding, not two.
    const { aggregateId, aggregateVersion } = original
    const head = heads.get(aggregateId) ?? 0
    if (aggregateVersion < head)
      findings.outOfOrder.push(`${nameOf(event)} was received after version ${head}`)
    heads.set(aggregateId, Math.max(head, aggregateVersion))
  }
  for (const { id, aggregateId: orderId, aggregateVersion: version, type } of logged.values())
    if (!seen.has(id)) findings.missing.push(`${nameOf({ orderId, version, type })} was not received`)
}

interface Named {
  readonly orderId: string
  readonly version: number
  readonly type: string
}

function isSame(
  { orderId, version, type, data }: Named & { readonly data: unknown },
  original: Logged,
): boolean {
  return (
    orderId === original.aggregateId &&
    version === original.aggregateVersion &&
    type === original.type &&
    isDeepStrictEqual(data, original.data)
  )
}

function keyOf({ orderId, version, type }: Named): string {
  return `${orderId} ${version} ${type}`
}

function nameOf({ orderId, version, type }: Named): string {
  return `${type}, version ${version} of ${orderId},`
}
