/** The stream, or JetStream itself, is not as it must be. */
import { DiscardPolicy, type StreamConfig, type StreamState } from '@nats-io/jetstream'
import type { StreamRisk } from 'drizzle-outbox/jetstream'
import { expect } from 'vitest'
import { type BrokerWorld, STREAM } from '../../support/broker-world.js'
import { type Cause, itReactsTo, patient } from '../../support/causes.js'
import { describeWithNatsServer } from '../../support/private-nats.js'

const subjects = ['shop.>']
/** What an operator allows when a stream has lost events; not from the start. */
const accepted: StreamRisk[] = []
const acceptingLoss = (allow: StreamRisk[]) => ({
  publisher: { stream: { name: STREAM, create: true, allow } },
})
const app = { user: 'app', pass: 'app' }

describeWithNatsServer('a relay whose stream is not as it must be', () => {
  itReactsTo([
    {
      cause: 'the server has no JetStream',
      fromTheStart: true,
      given: { server: { jetStream: false } },
      provoke:
        async ({ nats }) =>
        () =>
          nats.reload(`jetstream { store_dir: "${nats.directory}" }`),
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot look up stream SHOP: nobody answers: JetStream is off, or has no leader$/,
    },
    {
      cause: 'the account has no JetStream',
      fromTheStart: true,
      given: {
        server: { config: accountWith('jetstream: disabled') },
        login: () => app,
        admin: app,
      },
      provoke:
        async ({ nats }) =>
        () =>
          nats.reload(accountWith('jetstream: enabled')),
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot look up stream SHOP: JetStream not enabled for account$/,
    },
    {
      cause: 'there is no stream, and the relay is not to create it',
      fromTheStart: true,
      given: { publisher: { stream: { name: STREAM } } },
      provoke:
        async ({ manager }) =>
        async () =>
          (await manager()).streams.add({ name: STREAM, subjects }),
      class: 'unfit',
      relay: 'does not start',
      operator: /stream SHOP .*does not exist; create it/,
    },
    {
      cause: 'the stream is deleted',
      loses: true,
      given: acceptingLoss(['lost-events']),
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.delete(STREAM)
        return () => streams.add({ name: STREAM, subjects })
      },
      class: 'unfit',
      relay: 'waits',
      operator: /stream SHOP .*it was there and is gone/,
    },
    {
      cause: 'the stream is purged',
      given: patient,
      loses: true,
      provoke: async ({ manager }) => {
        await (await manager()).streams.purge(STREAM)
        return () => {}
      },
      class: 'none',
      relay: 'goes on',
      operator: undefined,
    },
    {
      cause: 'the stream is sealed',
      given: acceptingLoss(['lost-events']),
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.update(STREAM, { sealed: true } as object)
        return async () => {
          await streams.delete(STREAM)
          await streams.add({ name: STREAM, subjects })
        }
      },
      loses: true,
      class: 'unfit',
      relay: 'waits',
      operator: /sealed/,
    },
    {
      cause: 'the stream is full, by number',
      provoke: almostFull(({ messages }) => ({ max_msgs: messages + 2 }), { max_msgs: -1 }),
      class: 'unavailable',
      relay: 'waits',
      operator: /stream SHOP did not store the event: maximum messages exceeded/,
    },
    {
      cause: 'the stream is full, by size',
      provoke: almostFull(({ bytes }) => ({ max_bytes: bytes + 1500 }), { max_bytes: -1 }),
      class: 'unavailable',
      relay: 'waits',
      operator: /stream SHOP did not store the event: maximum bytes exceeded/,
    },
    {
      cause: 'the stream does not have the subject any more',
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.update(STREAM, { subjects: ['other.>'] })
        return () => streams.update(STREAM, { subjects })
      },
      class: 'unfit',
      relay: 'waits',
      operator: /stream SHOP .*its subjects \(other\.>\) do not cover shop\.>/,
    },
    {
      cause: 'another stream has the subject now',
      given: {
        publisher: {
          stream: { name: STREAM, create: { subjects } },
          subject: ({ type }) => `shop.${type}`,
        },
      },
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.update(STREAM, { subjects: ['other.>'] })
        await streams.add({ name: 'OTHER', subjects })
        return async () => {
          await streams.delete('OTHER')
          await streams.update(STREAM, { subjects })
        }
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /stream SHOP.*expected stream does not match/,
    },
    {
      cause: 'the account may not store more',
      given: {
        server: { config: accountWith('jetstream { max_file: 100K }') },
        login: () => app,
        admin: app,
      },
      provoke: fillWithAnother,
      class: 'unavailable',
      relay: 'waits',
      operator: /limits exceeded/,
    },
    {
      cause: 'the server may not store more',
      given: { server: { jetStream: 'max_file: 100K' } },
      provoke: fillWithAnother,
      class: 'unavailable',
      relay: 'waits',
      operator: /stream SHOP.*insufficient .*resources/,
    },
    {
      cause: 'the account may not have another stream',
      fromTheStart: true,
      given: {
        server: { config: accountWith('jetstream { max_streams: 1 }') },
        login: () => app,
        admin: app,
      },
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.add({ name: 'OTHER', subjects: ['other'] })
        return () => streams.delete('OTHER')
      },
      class: 'unfit',
      relay: 'does not start',
      operator: /stream SHOP .*cannot be created: .*streams/,
    },
    {
      cause: 'the stream is deleted and created again',
      loses: true,
      given: acceptingLoss(accepted),
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.delete(STREAM)
        await streams.add({ name: STREAM, subjects })
        return () => accepted.push('lost-events')
      },
      class: 'lost',
      relay: 'waits',
      operator: /stream SHOP has lost events that it had acknowledged: it was created at /,
    },
    {
      cause: "somebody else publishes to a stream that is to be the relay's alone",
      given: { publisher: { ordering: 'stream' } },
      disorders: true, // if the stranger's message took the place of one of ours, and the next ones fit behind it
      provoke: async ({ manager }) => {
        await (await manager()).jetstream().publish('shop.stranger', '', { msgID: 'stranger' })
        return () => {}
      },
      class: 'fenced',
      relay: 'recovers',
      operator: /somebody else has written to stream SHOP/,
    },
  ])
})

/** It takes a few messages more, and then no others. */
function almostFull(
  limit: (state: StreamState) => Partial<StreamConfig>,
  unlimited: Partial<StreamConfig>,
): Cause['provoke'] {
  return async ({ manager }) => {
    const { streams } = await manager()
    const { state } = await streams.info(STREAM)
    await streams.update(STREAM, { discard: DiscardPolicy.New, ...limit(state) })
    return () => streams.update(STREAM, unlimited)
  }
}

/** What is there to store in is used up by another stream. */
async function fillWithAnother({ manager }: BrokerWorld): Promise<() => Promise<unknown>> {
  const administrator = await manager()
  const { streams } = administrator
  await streams.add({ name: 'OTHER', subjects: ['other'] })
  const fill = async (size: number) => {
    for (;;) await administrator.jetstream().publish('other', 'x'.repeat(size))
  }
  for (const size of [10_000, 100]) await expect(fill(size)).rejects.toThrow('resource')
  return () => streams.delete('OTHER')
}

function accountWith(jetStream: string): string {
  return `accounts { APP { ${jetStream}, users: [{ user: app, password: app }] } }`
}
