/**
 * What a writer knows of its transactions, on disk, where it outlives the writer: what each was going to store, before its
 * COMMIT, and how it ended, as soon as that is known.
 */
import { createHash } from 'node:crypto'
import { createReadStream, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { expectedMessage, type Message } from '../expected-message.js'
import type { JournalEntry } from '../journal.js'

export type Ending = 'committed' | 'rolled back'

/** A line of a ledger. Without an ending, the transaction may have ended either way. */
type Line =
  | { readonly transaction: number; readonly events: readonly (readonly [id: string, digest: string])[] }
  | { readonly transaction: number; readonly ended: Ending }

/** The writer's side. */
export class LedgerWriter {
  readonly #file: number
  #transactions = 0

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  /** @returns the transaction's number. */
  intend(entries: readonly JournalEntry[]): number {
    const transaction = ++this.#transactions
    this.#write({
      transaction,
      events: entries.map((entry) => [entry.id, digestOf(expectedMessage(entry, '', ''))]),
    })
    return transaction
  }

  ended(transaction: number, ended: Ending): void {
    this.#write({ transaction, ended })
  }

  #write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/** A transaction as its writer knew it. */
export interface Transaction {
  readonly events: readonly (readonly [id: string, digest: string])[]
  readonly ending: Ending | 'unknown'
}

/** The checker's side. A line that was cut off, because its writer was killed, is of a transaction that stored nothing. */
export async function* readLedger(path: string): AsyncGenerator<Transaction> {
  const open = new Map<number, Transaction['events']>()
  for await (const text of createInterface({ input: createReadStream(path) })) {
    const line = parseLine(text)
    if (line === undefined) continue
    if ('events' in line) {
      open.set(line.transaction, line.events)
      continue
    }
    yield { events: open.get(line.transaction)!, ending: line.ended }
    open.delete(line.transaction)
  }
  for (const events of open.values()) yield { events, ending: 'unknown' }
}

function parseLine(text: string): Line | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Of everything in a message that its event alone decides: not the stream, nor the place in it or in the log. */
export function digestOf({ subject, headers, data }: Message): string {
  const own = Object.entries(headers).filter(([name]) => !PLACE.has(name))
  const [, ...type] = subject.split('.')
  const content = [type, own.sort(([a], [b]) => (a < b ? -1 : 1)), data]
  return createHash('sha1').update(JSON.stringify(content)).digest('base64')
}

const PLACE = new Set(['Nats-Expected-Stream', 'Nats-Expected-Last-Sequence', 'ce-sequence'])
