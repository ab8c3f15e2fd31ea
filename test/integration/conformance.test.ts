/** Our own publishers, in every mode, before the kit that others test theirs with. */
import { testPublisher } from 'drizzle-outbox/testing'
import { describe, it } from 'vitest'
import { memoryHarness } from '../conformance/harnesses.js'
import { type JetStreamMode, jetStreamHarness } from '../conformance/jetstream-harness.js'
import { describeWithPrivateNats } from '../support/private-nats.js'

const modes: Readonly<Record<string, JetStreamMode>> = {
  'ordering aggregate': {},
  'ordering stream': { publisher: { ordering: 'stream' }, features: { fences: true, totalOrder: true } },
  // Where the server knows it, which it does since 2.14.
  'fast ingest': { stream: { allow_batched: true } },
}

describe('memory', () => testPublisher(it, memoryHarness))

describeWithPrivateNats('JetStream', (nats) => {
  describe.each(Object.entries(modes))('with %s', (_, mode) =>
    testPublisher(it, jetStreamHarness(nats, mode)),
  )
})
