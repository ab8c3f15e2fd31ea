/** What happens to relays. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CrewScene, Fault } from '../nemesis.js'
import type { RelaySlot } from '../relay-slot.js'

/** The leader; while there is none, anybody. */
export function target({ crew, random }: CrewScene): RelaySlot {
  return crew.leader ?? random.pick(crew.slots)
}

function kill({ killed }: CrewScene, relay: RelaySlot): Promise<unknown> {
  killed('relays')
  return relay.kill()
}

async function killLeader(scene: CrewScene, leader = target(scene)): Promise<void> {
  await scene.takeovers.measure('killed', scene.crew, scene.unrest, () => kill(scene, leader))
}

/** Until somebody could take over. */
async function standby({ crew }: CrewScene): Promise<void> {
  for (const deadline = Date.now() + 5000; Date.now() < deadline; await sleep(20))
    if (crew.leader !== undefined && crew.standbys.length > 0) return
}

export const relayFaults: readonly Fault<CrewScene>[] = [
  { name: 'relay killed', weight: 14, calm: true, befall: (scene) => killLeader(scene) },
  {
    name: 'standby killed',
    weight: 5,
    calm: true,
    befall: (scene) => {
      const { crew, random } = scene
      return kill(scene, random.pick(crew.slots.filter((slot) => slot !== crew.leader)))
    },
  },
  {
    name: 'all relays killed',
    weight: 6,
    befall: async (scene) => Promise.all(scene.crew.slots.map((slot) => kill(scene, slot))),
  },
  {
    name: 'relay stopped',
    weight: 4,
    calm: true,
    befall: async (scene) => {
      await standby(scene)
      const leader = target(scene)
      await scene.takeovers.measure('stopped', scene.crew, scene.unrest, () => leader.stop())
    },
  },
  {
    name: 'relay frozen',
    weight: 4,
    befall: async (scene) => {
      const leader = target(scene)
      leader.freeze()
      await sleep(scene.crew.leaseMs * (0.3 + 1.7 * scene.random.next()))
      leader.thaw()
    },
  },
  {
    // What was sent is lost with it.
    name: 'relay killed, and its packets lost',
    weight: 2,
    befall: async (scene) => {
      const leader = target(scene)
      leader.nats.hold('toServer')
      await sleep(scene.random.below(100))
      const killed = killLeader(scene, leader)
      leader.nats.cutAll()
      leader.nats.release()
      await killed
    },
  },
  {
    // What was sent arrives when its successor leads.
    name: 'relay killed, and its packets late',
    weight: 2,
    befall: async (scene) => {
      const leader = target(scene)
      leader.nats.hold()
      await sleep(scene.random.below(100))
      await killLeader(scene, leader)
      leader.nats.release()
    },
  },
  {
    // What was sent is stored, and nobody knows.
    name: 'acknowledgements lost, then relay killed',
    weight: 2,
    befall: async (scene) => {
      const leader = target(scene)
      leader.nats.loseAcks(true)
      await sleep(scene.random.below(100))
      await killLeader(scene, leader)
      leader.nats.loseAcks(false)
    },
  },
]
