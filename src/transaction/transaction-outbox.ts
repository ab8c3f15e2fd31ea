import type { Aggregate } from '../aggregate/aggregate.js'
import { invalidOption } from '../errors.js'
import { readVersion } from '../event-log/append.js'
import type { DomainEvent } from '../events/domain-event.js'
import { checkMetadata } from '../events/metadata.js'
import type { Journal } from './journal.js'
import type { TransactionOutbox } from './outbox-db.js'
import type { UnitOfWork } from './unit-of-work.js'

/** `tx.outbox`: checks what it is given and enters it in the journal. */
export function outboxOf(work: UnitOfWork): TransactionOutbox {
  return {
    add: (...args: readonly unknown[]) => add(work.openJournal(), args),
    metadata: (metadata) => work.openJournal().addMetadata(checkMetadata(metadata)),
    versionOf: async (events, aggregateId) => {
      work.assertOpen()
      return readVersion(work.log, events['~outbox'].aggregate, aggregateId)
    },
    afterCommit: (run) => work.openJournal().addHook(run),
  }
}

/** An aggregate, with options if need be, or events. */
function add(journal: Journal, args: readonly unknown[]): void {
  if (args.length === 0) return // an empty list of events, spread
  const [first, ...rest] = args
  if (isAggregate(first)) {
    if (rest.some(isAggregate)) throw invalidOption('add', 'takes one aggregate at a time')
    const [options] = rest as [{ readonly expectedVersion?: number | undefined }?]
    journal.addAggregate(first, options?.expectedVersion)
  } else {
    for (const event of [first, ...rest]) {
      if (!isEvent(event))
        throw invalidOption(
          'add',
          'takes an aggregate or events; spread an array, await a promise, pass the recorder that a class holds',
        )
      journal.addEvent(event)
    }
  }
}

function isEvent(value: unknown): value is DomainEvent {
  return typeof value === 'object' && value !== null && 'aggregateId' in value && 'data' in value
}

function isAggregate(value: unknown): value is Aggregate {
  return typeof value === 'object' && value !== null && 'pendingEvents' in value
}
