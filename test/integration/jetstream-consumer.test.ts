/** Arbitrary events, through a relay and a NATS server, to a consumer that reads them as the README says. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { CloudEvent, type CloudEventV1 } from 'cloudevents'
import { createRelay, type RecordedEvent } from 'drizzle-outbox'
import { jetStreamPublisher } from 'drizzle-outbox/jetstream'
import fc from 'fast-check'
import { expect, it, onTestFinished } from 'vitest'
import { snippetsOf } from '../../dev/check/snippets.mjs'
import { aggregate, eventMaker, expectedOf, largestEvent } from '../support/arbitrary-events.js'
import { describeEachDriver, type Shop } from '../support/drivers.js'
import { attributesOf, percentEncoded, tokenOf } from '../support/nats-binding.js'
import { type Driver, drivers } from '../support/outbox-databases.js'
import { describeWithPrivateNats } from '../support/private-nats.js'
import { runSeed } from '../support/random.js'
import { runs } from '../support/runs.js'

type ReadEvent = (message: JsMsg) => { attributes: Record<string, string>; data: unknown }

/** The function of the README, as it stands there. */
async function readEventOfReadme(): Promise<ReadEvent> {
  const root = new URL('../../', import.meta.url)
  const snippets = snippetsOf(await readFile(new URL('README.md', root), 'utf8'))
  const { code = '' } = snippets.find(({ file }) => file === 'read-event.ts') ?? {}
  expect([...code.matchAll(/from '(.*)'/g)].map(([, module]) => module)).toEqual(['@nats-io/jetstream'])
  const folder = new URL(`.snippets/read-event-${process.pid}-${Date.now()}/`, root)
  await mkdir(folder, { recursive: true })
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = new URL('read-event.ts', folder)
  await writeFile(file, code)
  return (await import(/* @vite-ignore */ file.href)).readEvent
}

interface Message {
  readonly subject: string
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly attributes: Readonly<Record<string, string>>
  readonly data: unknown
  readonly text: string
}

/** Everything in the stream, in its order. */
async function consume(connection: NatsConnection, stream: string, readEvent: ReadEvent): Promise<Message[]> {
  const { state } = await (await jetstreamManager(connection)).streams.info(stream)
  const consumer = await jetstream(connection).consumers.get(stream)
  const messages: Message[] = []
  for await (const message of await consumer.consume()) {
    const headers = Object.fromEntries(message.headers ?? [])
    const text = Buffer.from(message.data).toString()
    messages.push({ subject: message.subject, headers, text, ...readEvent(message) })
    if (messages.length === state.messages) break
  }
  return messages
}

/** The message that an event should be. */
function messageOf(event: Omit<RecordedEvent, 'position'>, stream: string): Message {
  const attributes = attributesOf(event)
  const headers: Record<string, string[]> = { 'Nats-Msg-Id': [event.id], 'Nats-Expected-Stream': [stream] }
  for (const [name, value] of Object.entries(attributes)) headers[`ce-${name}`] = [percentEncoded(value)]
  const [name = ''] = event.type.split('.').slice(-1)
  return {
    subject: `${stream.toLowerCase()}.${tokenOf(event.aggregateType)}.${tokenOf(name)}`,
    headers,
    attributes,
    data: JSON.parse(event.data),
    text: event.data,
  }
}

/** The sequences of each aggregate's messages, as they come. */
function sequencesOf(messages: readonly Message[]): string[][] {
  const sequences = new Map<string, string[]>()
  for (const { subject, attributes } of messages) {
    const aggregate = `${subject.split('.')[1]} ${attributes.subject}`
    sequences.set(aggregate, [...(sequences.get(aggregate) ?? []), attributes.sequence ?? ''])
  }
  return [...sequences.values()]
}

describeWithPrivateNats('a consumer with nothing but @nats-io', (nats) => {
  const reads = (shop: () => Shop, driver: Driver) => {
    it(`reads what was recorded, each event once and in order, on its subject (seed ${runSeed})`, async () => {
      const { db } = shop()
      const stream = driver === 'node-postgres' ? 'SHOP' : 'OTHER'
      const aggregates = fc.sample(aggregate, { numRuns: 1000, seed: runSeed })
      const makers = fc.sample(fc.tuple(eventMaker, fc.constantFrom(...aggregates)), runs(800))
      const recorded = [largestEvent(), ...makers.map(([make, of]) => make(of))]
      const expected = expectedOf(recorded).map((event) => messageOf(event, stream))

      for (let first = 0; first < recorded.length; first += 7)
        await db.transaction(async (tx) => tx.outbox.add(...recorded.slice(first, first + 7)))
      const connection = await connect({ servers: nats().url })
      onTestFinished(() => connection.close())
      const publisher = jetStreamPublisher({ connection, stream: { name: stream, create: true } })
      await createRelay({ db, publisher }).drain()

      const messages = await consume(connection, stream, await readEventOfReadme())
      const byId = (a: Message, b: Message) => `${a.attributes.id}`.localeCompare(`${b.attributes.id}`)
      expect(messages.toSorted(byId)).toEqual(expected.toSorted(byId))
      for (const { attributes, data } of messages)
        new CloudEvent({ ...attributes, data } as unknown as CloudEventV1<unknown>, true)
      for (const sequences of sequencesOf(messages))
        expect(sequences).toEqual(sequences.map((_, index) => `${index + 1}`.padStart(16, '0')))
    })
  }
  describeEachDriver('behind a relay', reads, drivers)
})
