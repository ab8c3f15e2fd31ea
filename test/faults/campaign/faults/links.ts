/** What happens between a relay, its broker and its database. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { linkTroublesOf } from '../../publishing/troubles.js'
import type { CrewScene, Fault } from '../nemesis.js'
import { target } from './relays.js'

/** Waits for what may never hold: another relay may lead by now. */
async function holdsWithin(ms: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + ms
  while (Date.now() < end && !(await holds())) await sleep(10)
}

/** Those of the tests of the publisher. */
function trouble(name: string, weight: number): Fault<CrewScene> {
  return {
    name,
    weight,
    befall: async (scene) => {
      const { crew, random, site, astray } = scene
      const leader = target(scene)
      const troubles = linkTroublesOf({ nats: site.nats, proxy: leader.nats })
      await troubles
        .find((other) => other.name === name)!
        .befall({
          stream: crew.stream,
          random,
          astray,
          burst: async () => {}, // writers write all the time
          until: (holds) => holdsWithin(crew.publishTimeoutMs, holds),
        })
    },
  }
}

export const linkFaults: readonly Fault<CrewScene>[] = [
  trouble('cut', 1),
  trouble('refused', 1),
  trouble('delayed', 1),
  trouble('held back', 2),
  trouble('half open', 1),
  trouble('acknowledgements lost', 2),
  trouble('answered, and not stored', 1),
  trouble('unavailable for some', 1),
  trouble('subjects taken over', 0),
  trouble('subjects taken away', 0),
  trouble('refused for some', 0),
  {
    // Of the leader, until it is quiet or another leader's turn.
    name: 'slow link',
    weight: 0,
    befall: async (scene) => {
      const { crew } = scene
      const leader = target(scene)
      for (const slot of crew.slots) slot.nats.delay(slot === leader ? crew.publishTimeoutMs / 4 : 0)
      await sleep(crew.leaseMs)
    },
  },
  {
    name: 'database cut',
    weight: 2,
    befall: async (scene) => target(scene).database.cutAll(),
  },
  {
    name: 'database held back',
    weight: 2,
    befall: async (scene) => {
      const { database } = target(scene)
      database.hold(...scene.random.pick([['toServer'], ['toClient'], ['toServer', 'toClient']] as const))
      await sleep(scene.crew.leaseMs * (0.3 + 1.7 * scene.random.next()))
      database.release()
    },
  },
  {
    name: 'database half open',
    weight: 1,
    befall: async (scene) => target(scene).database.halfOpen(),
  },
  {
    // The statements of a leader that was: its successor has been leading for a while when they arrive.
    name: 'statements late',
    weight: 2,
    befall: async (scene) => {
      const { crew } = scene
      const { nats, database } = target(scene)
      const led = once(crew, 'leads', { signal: AbortSignal.timeout(3 * crew.leaseMs) }).catch(() => {})
      // A checkpoint among them: acknowledgements wait until it can only be sent late.
      nats.hold('toClient')
      await sleep(crew.publishTimeoutMs / 3)
      database.hold('toServer')
      nats.release()
      await led
      await sleep(crew.leaseMs * (0.5 + 2 * scene.random.next()))
      database.release()
    },
  },
]
