/** The checker of a stream: what was committed against what the broker holds, header by header and byte by byte. */
import type { Journal, JournalEntry } from './journal.js'
import type { StoredMessage } from './read-stream.js'

/** Each a list that must be empty. */
export interface StreamFaults {
  readonly missing: readonly string[]
  readonly duplicated: readonly string[]
  readonly phantom: readonly string[]
  readonly outOfOrder: readonly string[]
  /** With what was expected in its place. */
  readonly changed: readonly unknown[]
}

export const noStreamFaults: StreamFaults = {
  missing: [],
  duplicated: [],
  phantom: [],
  outOfOrder: [],
  changed: [],
}

export function findStreamFaults(
  { entries }: Journal,
  messages: readonly StoredMessage[],
  stream: string,
): StreamFaults {
  const seen = new Set<string>()
  const versions = new Map<string, number>()
  const faults = {
    missing: [] as string[],
    duplicated: [] as string[],
    phantom: [] as string[],
    outOfOrder: [] as string[],
    changed: [] as unknown[],
  }
  for (const message of messages) {
    const id = message.headers['Nats-Msg-Id']?.[0] ?? ''
    const entry = entries.get(id)
    if (entry === undefined) {
      faults.phantom.push(`${id} at ${message.sequence}`)
      continue
    }
    if (seen.has(id)) faults.duplicated.push(`${id} at ${message.sequence}`)
    seen.add(id)
    const version = (versions.get(entry.aggregateId) ?? 0) + 1
    versions.set(entry.aggregateId, version)
    const sequence = message.headers['ce-sequence']?.[0] ?? ''
    if (Number(sequence) !== version)
      faults.outOfOrder.push(`${entry.aggregateId} ${sequence}, not ${version}`)
    const expected = expectedMessage(entry, sequence, stream)
    const { subject, headers, data } = message
    if (!same({ subject, headers: sorted(headers), data }, expected))
      faults.changed.push({ message, expected })
  }
  for (const id of entries.keys()) if (!seen.has(id)) faults.missing.push(id)
  return faults
}

/** Written out from the specifications, not with the product's own encoder. */
function expectedMessage(entry: JournalEntry, sequence: string, stream: string) {
  const { id, type, aggregateId, occurredAt, correlationId, data } = entry
  const values = {
    'Nats-Msg-Id': id,
    'Nats-Expected-Stream': stream,
    'ce-specversion': '1.0',
    'ce-id': id,
    'ce-source': '/faults',
    'ce-type': type,
    'ce-subject': percentEncode(aggregateId),
    'ce-time': occurredAt.toISOString(),
    'ce-datacontenttype': 'application/json',
    'ce-sequence': sequence.padStart(16, '0'),
    'ce-partitionkey': percentEncode(aggregateId),
    'ce-schemaversion': '1',
    'ce-correlationid': percentEncode(correlationId ?? ''),
    'ce-tenant': 'Z%C3%BCrich',
  }
  const headers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value]]))
  return { subject: `${stream.toLowerCase()}.account.noted`, headers: sorted(headers), data }
}

/** For the characters that the load uses: a space, `%` and letters beyond ASCII. */
function percentEncode(text: string): string {
  return encodeURIComponent(text)
}

function sorted(headers: StoredMessage['headers']) {
  return Object.fromEntries(Object.entries(headers).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
