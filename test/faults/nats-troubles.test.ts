/**
 * A relay and its broker in every kind of trouble while events are in flight; then the whole stream is read back. More
 * events with `OUTBOX_TEST_EVENTS`, more troubles with `OUTBOX_TEST_TROUBLES`, those of one name with
 * `OUTBOX_TEST_TROUBLE`, and the counts with `OUTBOX_TEST_FIGURES`.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NatsProxy } from '../support/nats-proxy.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { noStreamFaults } from './find-stream-faults.js'
import { orderings, publishThrough } from './publishing/campaign.js'
import { type Figures, recoveryTimes } from './publishing/observe.js'
import { DUPLICATE_WINDOW, FORGETFUL } from './publishing/stage.js'
import { longTroublesOf, PUBLISH_TIMEOUT, troublesOf } from './publishing/troubles.js'

const events = Number(process.env.OUTBOX_TEST_EVENTS ?? 2500)
const count = Number(process.env.OUTBOX_TEST_TROUBLES ?? 12)

/**
 * Recoveries take less than a publish timeout; but here several test files share a machine. Those that take ten are not
 * the machine's fault.
 */
const slowOf = ({ recoveriesMs }: Figures) =>
  Object.entries(recoveriesMs).filter(([, times]) => Math.max(...times) > 10 * PUBLISH_TIMEOUT)

describeWithPrivateNats('a stream', (nats) => {
  let proxy: NatsProxy
  beforeEach(async () => {
    proxy = await NatsProxy.start(nats().port)
  })
  afterEach(() => proxy.stop())

  describe.each(orderings)('with ordering %s', (ordering) => {
    const tell = (kind: object, { recoveriesMs, ...figures }: Figures) => {
      const run = { version: nats().version, ordering, seed: runSeed, events, ...kind, ...figures }
      if (process.env.OUTBOX_TEST_FIGURES)
        console.log({ ...run, recoveries: recoveryTimes({ recoveriesMs }) })
    }
    const campaign = (kind: string) => ({
      servers: proxy.url,
      readFrom: nats().url,
      nextAck: () => proxy.nextAck(),
      stream: `${kind}_${ordering}`.toUpperCase(),
      ordering,
      seed: runSeed,
      events,
    })

    it(`has every event once, whatever befalls its broker (seed ${runSeed})`, async () => {
      const wanted = process.env.OUTBOX_TEST_TROUBLE
      const kinds = troublesOf({ nats: nats(), proxy }).filter(({ name }) => name === (wanted ?? name))
      const random = new Random(runSeed)
      const { faults, figures } = await publishThrough({
        ...campaign('troubled'),
        troubles: random.times(count, (n) => kinds[n] ?? random.pick(kinds)),
      })
      tell({ troubles: count }, figures)
      expect(faults).toEqual(noStreamFaults)
      expect(slowOf(figures)).toEqual([])
      expect(figures.astray).toBe(0)
      // Or the troubles have shown nothing.
      expect(figures.interrupted).toBeGreaterThan(0)
      expect(figures.duplicates).toBeGreaterThan(0)
    }, 3_600_000)

    it(`has every event once after outages of ten times its duplicate window (seed ${runSeed})`, async () => {
      const kinds = longTroublesOf({ nats: nats(), proxy }, 10 * DUPLICATE_WINDOW)
      const outages = Math.ceil(count / 4)
      const { faults, figures } = await publishThrough({
        ...campaign('forgetful'),
        troubles: Array.from({ length: outages }, (_, n) => kinds[n % kinds.length]!),
        config: FORGETFUL,
        allow: ['duplicate-window'],
      })
      tell({ outages }, figures)
      expect(faults).toEqual(noStreamFaults)
      expect(slowOf(figures)).toEqual([])
      // Or nothing was stored whose acknowledgement was lost.
      expect(figures.duplicates).toBeGreaterThan(0)
    }, 3_600_000)
  })
})
