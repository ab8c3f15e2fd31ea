/** What the harness drives: the product's `LogReader`, or a mutant of it. */
import type { EventLog } from '../../src/event-log/database.js'
import type { LogReader } from '../../src/event-log/log-reader.js'
import type { Claim } from '../../src/event-log/relay-row.js'

export type Subject = Pick<LogReader, 'openWindow' | 'page' | 'readPage' | 'checkpoint' | 'closeWindow'>

/** As `LogReader.load`. */
export type Load = (log: EventLog, claim: Claim, source: string) => Promise<Subject>
