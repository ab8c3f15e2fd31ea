/** What can happen between a relay and its broker. Each is over when its promise resolves; the relay may not yet know. */
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager, type StreamAPI } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { Relay } from 'drizzle-outbox'
import type { NatsServer } from '../../../dev/servers/index.js'
import type { NatsProxy } from '../../support/nats-proxy.js'
import type { Random } from '../../support/random.js'

/** A server, and the proxy in front of it. */
export interface Broker {
  readonly nats: NatsServer
  readonly proxy: NatsProxy
}

export interface LinkScene {
  readonly stream: string
  readonly random: Random
  /** Takes the number of events that went elsewhere. */
  astray(count: number): void
}

export interface Scene extends LinkScene {
  readonly relay: Relay
}

export interface Trouble<S = Scene> {
  readonly name: string
  befall(scene: S): Promise<void>
}

/** Of the relay: some troubles are shorter, others longer. Milliseconds. */
export const PUBLISH_TIMEOUT = 300

/** Of each kind one. */
export function troublesOf(broker: Broker): readonly Trouble[] {
  return [...linkTroublesOf(broker), { name: 'relay given up', befall: ({ relay }) => giveUp(relay, 0) }]
}

/** Those that leave the relay alone. */
export function linkTroublesOf({ nats, proxy }: Broker): readonly Trouble<LinkScene>[] {
  const killed: Trouble<LinkScene> = {
    name: 'killed',
    befall: async ({ random }) => {
      await nats.kill()
      await sleep(random.below(PUBLISH_TIMEOUT))
      await nats.restart()
    },
  }

  /** Some messages are answered in the place of the server, which does not get them. */
  async function answered({ stream, random }: LinkScene, answer: object): Promise<void> {
    const ours = `${stream.toLowerCase()}.`
    proxy.answer(({ subject }) => (subject.startsWith(ours) && random.chance(0.2) ? answer : undefined))
    await sleep(random.below(PUBLISH_TIMEOUT))
    proxy.answer(undefined)
  }

  return [
    killed,
    { name: 'cut', befall: async () => proxy.cutAll() },
    {
      name: 'refused',
      befall: async ({ random }) => {
        proxy.refuse(true)
        await sleep(random.below(PUBLISH_TIMEOUT))
        proxy.refuse(false)
      },
    },
    {
      name: 'delayed',
      befall: async ({ random }) => {
        proxy.delay(random.below(PUBLISH_TIMEOUT))
        await sleep(random.below(2 * PUBLISH_TIMEOUT))
        proxy.delay(0)
      },
    },
    {
      name: 'held back',
      befall: async ({ random }) => {
        proxy.hold(...random.pick([['toServer'], ['toClient'], ['toServer', 'toClient']] as const))
        await sleep(random.below(3 * PUBLISH_TIMEOUT))
        proxy.release()
      },
    },
    { name: 'half open', befall: async () => proxy.halfOpen() },
    {
      name: 'acknowledgements lost',
      befall: async ({ random }) => {
        proxy.loseAcks(true)
        await sleep(random.below(2 * PUBLISH_TIMEOUT))
        proxy.loseAcks(false)
      },
    },
    {
      name: 'acknowledgements lost, then killed',
      befall: async (scene) => {
        proxy.loseAcks(true)
        await sleep(scene.random.below(100))
        await killed.befall(scene)
        proxy.loseAcks(false)
      },
    },
    {
      name: 'answered, and not stored',
      befall: (scene) => answered(scene, { stream: scene.stream, seq: 0, duplicate: true }),
    },
    {
      name: 'unavailable for some',
      befall: (scene) =>
        answered(scene, { error: { code: 503, err_code: 10008, description: 'temporarily' } }),
    },
    {
      name: 'refused for some',
      befall: (scene) =>
        answered(scene, {
          error: { code: 400, err_code: 10054, description: 'message size exceeds maximum allowed' },
        }),
    },
    {
      name: 'subjects taken away',
      befall: ({ stream, random }) =>
        withoutSubjects(nats, stream, () => sleep(random.below(PUBLISH_TIMEOUT))),
    },
    {
      name: 'subjects taken over',
      befall: ({ stream, random, astray }) =>
        withoutSubjects(nats, stream, async (streams, subjects) => {
          await streams.add({ name: `${stream}_TAKEN`, subjects })
          await sleep(random.below(PUBLISH_TIMEOUT))
          astray((await streams.info(`${stream}_TAKEN`)).state.messages)
          await streams.delete(`${stream}_TAKEN`)
        }),
    },
  ]
}

async function withoutSubjects(
  { url }: NatsServer,
  stream: string,
  act: (streams: StreamAPI, subjects: string[]) => Promise<void>,
): Promise<void> {
  const connection = await connect({ servers: url })
  const { streams } = await jetstreamManager(connection)
  const { config } = await streams.info(stream)
  await streams.update(stream, { subjects: [`${stream}.nothing`] })
  await act(streams, config.subjects)
  await streams.update(stream, { subjects: config.subjects })
  await connection.close()
}

/** The relay ends without a look at what is in flight, and starts again. */
async function giveUp(relay: Relay, ms: number): Promise<void> {
  await relay.stop({ timeoutMs: 0 })
  await sleep(ms)
  await relay.start()
}

/** Each longer than the server remembers ids: of what was stored just before, nobody knows. */
export function longTroublesOf({ nats, proxy }: Broker, ms: number): readonly Trouble[] {
  const acksLostBefore = async (trouble: () => Promise<void>) => {
    proxy.loseAcks(true)
    await sleep(30)
    await trouble()
    proxy.loseAcks(false)
  }
  return [
    {
      name: 'outage',
      befall: () =>
        acksLostBefore(async () => {
          await nats.kill()
          await sleep(ms)
          await nats.restart()
        }),
    },
    {
      // Nothing arrives; then what was sent long ago does.
      name: 'partition',
      befall: async () => {
        proxy.hold()
        await sleep(ms)
        proxy.release()
      },
    },
    { name: 'absence', befall: ({ relay }) => acksLostBefore(() => giveUp(relay, ms)) },
  ]
}
