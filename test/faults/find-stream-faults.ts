/** The checker of a stream: what was committed against what the broker holds, header by header and byte by byte. */
import { isDeepStrictEqual } from 'node:util'
import { expectedMessage } from './expected-message.js'
import type { Journal } from './journal.js'
import type { StoredMessage } from './read-stream.js'

/** Each a list that must be empty, of the first twenty that there are. */
export interface StreamFaults {
  readonly missing: readonly string[]
  readonly duplicated: readonly string[]
  readonly phantom: readonly string[]
  readonly outOfOrder: readonly string[]
  /** Of the whole stream, where that is asked for. */
  readonly outOfSequence: readonly string[]
  /** With what was expected in its place. */
  readonly changed: readonly unknown[]
}

export const noStreamFaults: StreamFaults = {
  missing: [],
  duplicated: [],
  phantom: [],
  outOfOrder: [],
  outOfSequence: [],
  changed: [],
}

/** @param sequence ids that the stream must have in exactly this order, without a gap. */
export function findStreamFaults(
  { entries }: Journal,
  messages: readonly StoredMessage[],
  stream: string,
  sequence?: readonly string[],
): StreamFaults {
  const seen = new Set<string>()
  const versions = new Map<string, number>()
  const faults = {
    missing: [] as string[],
    duplicated: [] as string[],
    phantom: [] as string[],
    outOfOrder: [] as string[],
    outOfSequence: [] as string[],
    changed: [] as unknown[],
  }
  for (const message of messages) {
    const id = message.headers['Nats-Msg-Id']?.[0] ?? ''
    const entry = entries.get(id)
    if (entry === undefined) {
      note(faults.phantom, `${id} at ${message.sequence}`)
      continue
    }
    if (seen.has(id)) {
      note(faults.duplicated, `${id} at ${message.sequence}`)
      continue
    }
    seen.add(id)
    const version = message.headers['ce-sequence']?.[0] ?? ''
    const before = versions.get(entry.aggregateId) ?? 0
    if (Number(version) !== before + 1)
      note(faults.outOfOrder, `${entry.aggregateId} ${version} after ${before}`)
    versions.set(entry.aggregateId, Number(version))
    if (sequence !== undefined && id !== sequence[message.sequence - 1])
      note(faults.outOfSequence, `${id} at ${message.sequence}`)
    const expected = expectedMessage(entry, version, stream, sequence && message.sequence - 1)
    const { subject, headers, data } = message
    const found = { subject, headers, data }
    if (!isDeepStrictEqual(found, expected)) note(faults.changed, { found, expected })
  }
  for (const id of entries.keys()) if (!seen.has(id)) note(faults.missing, id)
  return faults
}

function note<T>(faults: T[], fault: T): void {
  if (faults.length < 20) faults.push(fault)
}
