/** The campaigns of the publisher, tried on publishers that are known to be wrong: each must be found out. */
import type { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { NatsProxy } from '../support/nats-proxy.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { runSeed } from '../support/random.js'
import type { StreamFaults } from './find-stream-faults.js'
import { type Ordering, publishThrough } from './publishing/campaign.js'
import { publishInterrupted } from './publishing/interrupted-relay.js'
import { publishLate } from './publishing/late-relay.js'
import * as mutants from './publishing/mutants.js'
import { DUPLICATE_WINDOW, FORGETFUL, Stage } from './publishing/stage.js'
import { longTroublesOf, troublesOf } from './publishing/troubles.js'

interface Case {
  readonly mutant: string
  readonly make: () => Promise<typeof jetStreamPublisher>
  readonly ordering: Ordering
  readonly trouble: string
  readonly fault: keyof StreamFaults | 'astray'
}

const cases: Case[] = [
  {
    mutant: 'has two events of an aggregate in flight',
    make: mutants.twoInFlightPerAggregate,
    ordering: 'aggregate',
    trouble: 'unavailable for some',
    fault: 'outOfOrder',
  },
  {
    mutant: 'accepts sequence 0',
    make: mutants.acceptsSequenceZero,
    ordering: 'aggregate',
    trouble: 'answered, and not stored',
    fault: 'missing',
  },
  {
    mutant: 'expects no stream',
    make: mutants.expectsNoStream,
    ordering: 'aggregate',
    trouble: 'subjects taken over',
    fault: 'astray',
  },
  {
    mutant: 'sends again under a new id',
    make: mutants.resendsUnderNewId,
    ordering: 'aggregate',
    trouble: 'unavailable for some',
    fault: 'phantom',
  },
  {
    mutant: 'takes misplaced for stored',
    make: mutants.takesMisplacedForStored,
    ordering: 'stream',
    trouble: 'unavailable for some',
    fault: 'missing',
  },
  {
    mutant: 'reads no tail',
    make: mutants.readsNoTail,
    ordering: 'aggregate',
    trouble: 'outage',
    fault: 'duplicated',
  },
  {
    mutant: 'reads no tail',
    make: mutants.readsNoTail,
    ordering: 'stream',
    trouble: 'outage',
    fault: 'duplicated',
  },
]

describeWithPrivateNats('a publisher', (nats) => {
  let proxy: NatsProxy
  beforeEach(async () => {
    proxy = await NatsProxy.start(nats().port)
  })
  afterEach(async () => {
    vi.resetModules()
    await proxy.stop()
  })

  it.each(cases)('that $mutant is found out with ordering $ordering', async (mutation) => {
    const { mutant, make, ordering, fault } = mutation
    const broker = { nats: nats(), proxy }
    const trouble = [...troublesOf(broker), ...longTroublesOf(broker, 3 * DUPLICATE_WINDOW)].find(
      ({ name }) => name === mutation.trouble,
    )!
    const { faults, figures } = await publishThrough({
      servers: proxy.url,
      readFrom: nats().url,
      stream: `MUTANT_${cases.indexOf(mutation)}`,
      ordering,
      seed: runSeed,
      events: 100,
      troubles: [trouble, trouble],
      config: FORGETFUL,
      allow: ['duplicate-window'],
      // Several pages of a burst, and of each aggregate several events in flight.
      batchSize: 40,
      window: 128,
      makePublisher: await make(),
      patienceMs: 5000,
    })
    const found = fault === 'astray' ? figures.astray : faults[fault].length
    if (process.env.OUTBOX_TEST_FIGURES) console.log({ mutant, ordering, [fault]: found, figures })
    expect(found).toBeGreaterThan(0)
  })

  it('that checkpoints where it is, and not where the next page began, is found out by its successor', async () => {
    const makePublisher = await mutants.checkpointsItsEnd()
    const stage = await Stage.set(nats())
    const stored = await publishInterrupted(stage, () => stage.publisher({}, FORGETFUL, makePublisher))
    const logged = await stage.logged()
    await stage.clear()
    expect(stored).not.toEqual(logged)
    expect(new Set(stored)).toEqual(new Set(logged))
  })

  it('that expects no sequence is found out by a relay of the past', async () => {
    const makePublisher = await mutants.expectsNoSequence()
    const stage = await Stage.set(nats())
    const { before, after } = await publishLate(stage, () =>
      stage.publisher({ ordering: 'stream' }, FORGETFUL, makePublisher),
    )
    await stage.clear()
    expect(before).toHaveLength(300)
    expect(after).toHaveLength(600)
  })
})
