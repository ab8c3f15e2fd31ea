/**
 * What can happen between a relay and its broker. Each is over when its promise resolves; the relay may not yet know. They
 * strike, and are over, when so much has happened, and not by the clock: or now and then nothing is there to be struck.
 */
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
  /** Commits some hundred events, which the relay is then to publish. */
  burst(): Promise<void>
  /** Looks again and again. Rejects when the relay is given up. */
  until(holds: () => boolean | Promise<boolean>): Promise<void>
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

/**
 * Of the relay: some troubles are shorter, others longer. Long enough that a machine which has much to do is not taken
 * for a broker in trouble. Milliseconds.
 */
export const PUBLISH_TIMEOUT = 1000

/** Events of a burst. */
export const BURST = 200

/** Resolves when some of a burst are sent: others are then in flight, or left to send. */
async function inMidstOfBurst(proxy: NatsProxy, { burst, until }: LinkScene, sent: number): Promise<void> {
  const before = proxy.sent
  await burst()
  await until(() => proxy.sent >= before + sent)
}

/** Of each kind one. */
export function troublesOf(broker: Broker): readonly Trouble[] {
  const { nats, proxy } = broker
  return [
    ...linkTroublesOf(broker).filter(({ name }) => !UNHEARD.includes(name)),
    {
      name: 'relay given up',
      befall: async (scene) => {
        await inMidstOfBurst(proxy, scene, 1 + scene.random.below(BURST / 2))
        await giveUp(scene.relay, 0)
      },
    },
    {
      name: 'subjects taken over',
      befall: async (scene) => {
        const { stream, random, relay, until, astray } = scene
        await inMidstOfBurst(proxy, scene, 1 + random.below(BURST / 2))
        // What is on its way arrives when they are taken over. Later on the relay looks before it sends.
        proxy.hold('toServer')
        let turnedAway = false
        const unsubscribe = relay.on('paused', ({ error }) => {
          turnedAway ||= !/connection to NATS was lost|no acknowledgement/.test(error.message)
        })
        await withoutSubjects(nats, stream, async (streams, subjects) => {
          await streams.add({ name: `${stream}_TAKEN`, subjects })
          proxy.release()
          const taken = async () => (await streams.info(`${stream}_TAKEN`)).state.messages
          await until(async () => turnedAway || (await taken()) > 0)
          unsubscribe()
          await sleep(random.below(PUBLISH_TIMEOUT))
          astray(await taken())
          await streams.delete(`${stream}_TAKEN`)
        })
      },
    },
  ]
}

/** Without a relay to listen to, nobody knows when they have struck. */
const UNHEARD = ['subjects taken over', 'subjects taken away', 'refused for some']

/** Those that leave the relay alone. */
export function linkTroublesOf({ nats, proxy }: Broker): readonly Trouble<LinkScene>[] {
  const inMidst = (scene: LinkScene) => inMidstOfBurst(proxy, scene, 1 + scene.random.below(BURST / 2))

  async function killed({ random }: LinkScene): Promise<void> {
    await nats.kill()
    await sleep(random.below(PUBLISH_TIMEOUT))
    await nats.restart()
  }

  /** Some messages are answered in the place of the server, which does not get them. */
  async function answered({ stream, random, burst, until }: LinkScene, answer: object): Promise<void> {
    const ours = `${stream.toLowerCase()}.`
    let answered = 0
    proxy.answer(({ subject }) => {
      if (!subject.startsWith(ours) || !random.chance(0.2)) return undefined
      answered++
      return answer
    })
    await burst()
    await until(() => answered >= BURST / 10)
    await sleep(random.below(PUBLISH_TIMEOUT))
    proxy.answer(undefined)
  }

  return [
    {
      name: 'killed',
      befall: async (scene) => {
        await inMidst(scene)
        await killed(scene)
      },
    },
    {
      name: 'cut',
      befall: async (scene) => {
        await inMidst(scene)
        proxy.cutAll()
      },
    },
    {
      name: 'refused',
      befall: async (scene) => {
        const { random } = scene
        await inMidst(scene)
        proxy.refuse(true)
        await sleep(random.below(PUBLISH_TIMEOUT))
        proxy.refuse(false)
      },
    },
    {
      name: 'delayed',
      befall: async (scene) => {
        const { random } = scene
        await inMidst(scene)
        proxy.delay(random.below(PUBLISH_TIMEOUT))
        await sleep(random.below(1.5 * PUBLISH_TIMEOUT))
        proxy.delay(0)
      },
    },
    {
      name: 'held back',
      befall: async (scene) => {
        const { random } = scene
        await inMidst(scene)
        proxy.hold(...random.pick([['toServer'], ['toClient'], ['toServer', 'toClient']] as const))
        await sleep(random.below(1.5 * PUBLISH_TIMEOUT))
        proxy.release()
      },
    },
    {
      name: 'half open',
      befall: async (scene) => {
        await inMidst(scene)
        proxy.halfOpen()
      },
    },
    {
      name: 'acknowledgements lost',
      befall: async (scene) => {
        const { random } = scene
        await inMidst(scene)
        proxy.loseAcks(true)
        await sleep(random.below(1.5 * PUBLISH_TIMEOUT))
        proxy.loseAcks(false)
      },
    },
    {
      name: 'acknowledgements lost, then killed',
      befall: async (scene) => {
        await losingAcks(proxy, scene, async () => {
          await sleep(scene.random.below(100))
          await killed(scene)
        })
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

/** Events are stored of which the relay does not learn while this goes on. */
async function losingAcks(proxy: NatsProxy, scene: LinkScene, meanwhile: () => Promise<void>): Promise<void> {
  await inMidstOfBurst(proxy, scene, BURST / 2)
  const before = proxy.acksLost
  proxy.loseAcks(true)
  await scene.until(() => proxy.acksLost >= before + 5)
  await meanwhile()
  proxy.loseAcks(false)
}

/** Each longer than the server remembers ids: of what was stored just before, nobody knows. */
export function longTroublesOf({ nats, proxy }: Broker, ms: number): readonly Trouble[] {
  return [
    {
      name: 'outage',
      befall: (scene) =>
        losingAcks(proxy, scene, async () => {
          await nats.kill()
          await sleep(ms)
          await nats.restart()
        }),
    },
    {
      // Nothing arrives; then what was sent long ago does.
      name: 'partition',
      befall: async (scene) => {
        await inMidstOfBurst(proxy, scene, BURST / 2)
        proxy.hold()
        await sleep(ms)
        proxy.release()
      },
    },
    {
      name: 'absence',
      befall: (scene) =>
        losingAcks(proxy, scene, async () => {
          await sleep(100) // it stores the checkpoint of what was acknowledged before
          await giveUp(scene.relay, ms)
        }),
    },
  ]
}
