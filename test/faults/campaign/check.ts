/**
 * The checker of a campaign: what the writers know, against the log, against every stream, event by event. It reads both
 * in its own way, and as they come: of an event it keeps what identifies it.
 */
import pg from 'pg'
import { openStream, type StoredMessage } from '../read-stream.js'
import type { Findings } from './findings.js'
import { digestOf, readLedger, type Transaction } from './ledger.js'

/** An event that some writer was going to store. */
interface Intended {
  readonly digest: string
  readonly transaction: Told
}

interface Told {
  readonly ending: Transaction['ending']
  readonly events: number
  logged: number
}

/** An event of the log. */
interface Logged {
  readonly index: number
  readonly aggregate: string
  readonly version: number
  /** Undefined: a phantom, of which nothing is known. */
  readonly digest: string | undefined
}

export class Check {
  readonly #findings: Findings
  readonly #intended = new Map<string, Intended>()
  readonly #logged = new Map<string, Logged>()

  constructor(findings: Findings) {
    this.#findings = findings
  }

  get events(): number {
    return this.#logged.size
  }

  async ledgers(paths: readonly string[]): Promise<void> {
    for (const path of paths)
      for await (const { events, ending } of readLedger(path)) {
        const transaction: Told = { ending, events: events.length, logged: 0 }
        for (const [id, digest] of events) this.#intended.set(id, { digest, transaction })
      }
  }

  async log(databaseUrl: string): Promise<void> {
    const client = new pg.Client(databaseUrl)
    await client.connect()
    const heads = new Map<string, number>()
    for (let after = '0'; ; ) {
      const { rows } = await client.query(
        `select position, id, aggregate_id as aggregate, aggregate_version as version from outbox_events
        where position > $1 order by position limit 20000`,
        [after],
      )
      if (rows.length === 0) break
      for (const row of rows) this.#log(row, heads)
      after = rows.at(-1).position
    }
    await client.end()
    for (const [id, { transaction }] of this.#intended) {
      const { ending, events, logged } = transaction
      if (this.#logged.has(id) || ending === 'rolled back') continue
      if (ending === 'committed') this.#findings.note('lost', `${id} was committed, and is not in the log`)
      else if (logged > 0)
        this.#findings.note(
          'lost',
          `${id} is not in the log, and ${logged} of the ${events} of its transaction are`,
        )
    }
  }

  #log(row: { id: string; aggregate: string; version: string }, heads: Map<string, number>): void {
    const { id, aggregate } = row
    const version = Number(row.version)
    const intended = this.#intended.get(id)
    if (intended === undefined) this.#findings.note('phantom', `${id} is in the log, and nobody committed it`)
    else if (intended.transaction.ending === 'rolled back')
      this.#findings.note('phantom', `${id} is in the log, and was rolled back`)
    if (intended) intended.transaction.logged++
    if (this.#logged.has(id)) this.#findings.note('duplicated', `${id} is in the log twice`)
    const head = heads.get(aggregate) ?? 0
    if (version !== head + 1)
      this.#findings.note('outOfOrder', `${aggregate} ${version} after ${head} in the log`)
    heads.set(aggregate, version)
    this.#logged.set(id, { index: this.#logged.size, aggregate, version, digest: intended?.digest })
  }

  async stream(natsUrl: string, stream: string, ordering: 'aggregate' | 'stream'): Promise<void> {
    const seen = new Uint8Array(this.#logged.size)
    const heads = new Map<string, number>()
    for await (const message of openStream(natsUrl, stream)) {
      const id = message.headers['Nats-Msg-Id']?.[0] ?? ''
      const place = `${id} at ${message.sequence} of ${stream}`
      const event = this.#logged.get(id)
      if (event === undefined) {
        this.#findings.note('phantom', `${place} is not in the log`)
        continue
      }
      if (!isUnchanged(message, event, stream, ordering)) this.#findings.note('changed', place)
      if (seen[event.index]) {
        this.#findings.note('duplicated', place)
        continue
      }
      seen[event.index] = 1
      const { aggregate, version } = event
      const head = heads.get(aggregate) ?? 0
      if (version !== head + 1)
        this.#findings.note('outOfOrder', `${place}: ${aggregate} ${version} after ${head}`)
      heads.set(aggregate, Math.max(head, version))
    }
    for (const [id, { index }] of this.#logged)
      if (!seen[index]) this.#findings.note('lost', `${id} is in the log, and not in ${stream}`)
  }
}

function isUnchanged(
  message: StoredMessage,
  { version, digest }: Logged,
  stream: string,
  ordering: 'aggregate' | 'stream',
): boolean {
  const { headers } = message
  const [prefix] = message.subject.split('.')
  const expectedLast = ordering === 'stream' ? String(message.sequence - 1) : undefined
  return (
    prefix === stream.toLowerCase() &&
    headers['Nats-Expected-Stream']?.join() === stream &&
    headers['Nats-Expected-Last-Sequence']?.join() === expectedLast &&
    Number(headers['ce-sequence']?.join()) === version &&
    (digest === undefined || digestOf(message) === digest)
  )
}
