/** What is stored is not what was given. */
import type { RecordedEvent } from 'drizzle-outbox'
import type { ModelBroker } from '../model-broker.js'
import { ModelPublisher } from '../model-publisher.js'
import type { Mutant } from './mutant.js'

/** Changes events on their way. */
const changing = (change: (event: RecordedEvent) => Partial<RecordedEvent>) =>
  class extends ModelPublisher {
    protected override messageOf(event: RecordedEvent): RecordedEvent {
      return { ...event, ...change(event) }
    }
  }

let attempts = 0
const seen = new Set<string>()
const isNew = ({ id }: RecordedEvent) => !seen.has(id) && seen.add(id)

/** Publishes to the destination that was opened before its own. */
class ToTheOneBefore extends ModelPublisher {
  static #before: ModelBroker | undefined

  constructor(broker: ModelBroker) {
    super(ToTheOneBefore.#before ?? broker)
    ToTheOneBefore.#before = broker
  }
}

let last = {}

export const contentMutants: readonly Mutant[] = [
  {
    mutant: 'parses and prints the data',
    publisher: changing(({ data }) => ({ data: JSON.stringify(JSON.parse(data)) })),
    caughtBy: { 'stores JSON of any form byte for byte': /is changed: data is "0", not "-0"/ },
  },
  {
    mutant: 'cuts long data short',
    publisher: changing(({ data }) => ({ data: data.slice(0, 65_536) })),
    caughtBy: {
      'stores the largest events, and the smallest':
        /is changed: data is .*\(65536 characters\), not .*\(100000 characters\)/,
    },
  },
  {
    mutant: 'normalizes ids',
    publisher: changing(({ aggregateId }) => ({ aggregateId: aggregateId.normalize() })),
    caughtBy: { 'keeps aggregates apart whose ids are alike, or look like something else': /aggregateId is/ },
  },
  {
    mutant: 'leaves out extensions',
    publisher: changing(({ metadata: { extensions: _, ...metadata } }) => ({ metadata })),
    caughtBy: {
      'stores every attribute of an event, and of one that has but few after it':
        /attribute tenant is absent, not "Zürich"/,
    },
  },
  {
    mutant: 'leaves attributes of an event in the next',
    publisher: changing(({ metadata }) => {
      last = { ...last, ...metadata }
      return { metadata: last }
    }),
    caughtBy: {
      'stores every attribute of an event, and of one that has but few after it':
        /"spare" 1 is changed: attribute correlationid is .*, not absent/,
    },
  },
  {
    mutant: 'forgets the version',
    publisher: changing(() => ({ aggregateVersion: 1 })),
    caughtBy: {
      'stores 100 events, each with its id, aggregate, version and data': /aggregateVersion is 1, not 2/,
    },
  },
  {
    mutant: 'takes aggregate and version for an id',
    publisher: changing(({ aggregateId, aggregateVersion }) => ({
      id: `${aggregateId} ${aggregateVersion}`,
    })),
    caughtBy: {
      'keeps aggregates in order that are of two types and share their ids': /with id "0 1"/,
    },
  },
  {
    mutant: 'makes a new id for each attempt',
    publisher: changing((event) => (isNew(event) ? {} : { id: `${event.id} ${++attempts}` })),
    caughtBy: {
      'stores an event once that is published again, and counts the duplicates': /not published to it/,
    },
  },
  {
    mutant: 'mixes destinations',
    publisher: ToTheOneBefore,
    caughtBy: { 'does not mix destinations': /it holds an event that was not published to it/ },
  },
]
