/** Others that write to a stream which ordering "stream" keeps to one relay: a relay of the past, and strangers. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { Random, runSeed } from '../support/random.js'
import { publishLate } from './publishing/late-relay.js'
import { Stage } from './publishing/stage.js'

describeWithPrivateNats('a stream that is kept to one relay', (nats) => {
  let stage: Stage
  beforeEach(async () => {
    stage = await Stage.set(nats())
  })
  afterEach(() => stage.clear())
  const publisher = () => stage.publisher({ ordering: 'stream' })

  it('takes nothing of a relay that read its end before another one wrote', async () => {
    const { outcome, before, after } = await publishLate(stage, publisher)
    expect(outcome.fenced).toMatchObject({ code: 'ERR_OUTBOX_FENCED', details: { stream: stage.stream } })
    expect(outcome.unacknowledged).toHaveLength(300)
    expect(before).toEqual(await stage.logged())
    expect(after).toEqual(before)
  })

  it(`gets every event once, though a stranger writes to it (seed ${runSeed})`, async () => {
    const random = new Random(runSeed)
    const relay = stage.relay(publisher())
    const fenced: string[] = []
    relay.on('paused', ({ error }) => fenced.push('code' in error ? String(error.code) : error.message))
    await relay.start()
    let strange = 0
    for (let round = 0; round < 10; round++) {
      const writing = stage.write(100)
      for (let n = random.below(5); n >= 0; n--) {
        await sleep(random.below(10))
        await jetstream(stage.connection).publish(`${stage.stream.toLowerCase()}.stranger`)
        strange++
      }
      await writing
    }
    await relay.drain()
    await relay.stop()
    const ids = await stage.stored()
    // Not in order: what the stranger writes can stand in the place of an event, and what follows that lands before it.
    expect(ids.filter((id) => id !== undefined).sort()).toEqual((await stage.logged()).sort())
    expect(ids).toHaveLength(1000 + strange)
    expect(new Set(fenced)).toEqual(new Set(['ERR_OUTBOX_FENCED']))
  })
})
