/** What happens to the servers, and to the writers. */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { PUBLISH_TIMEOUT } from '../../publishing/troubles.js'
import type { Fault, Scene } from '../nemesis.js'

/** Shorter than that outage. Milliseconds. */
const DUPLICATE_WINDOW = 1000

export const serverFaults: readonly Fault[] = [
  {
    name: 'nats-server killed',
    weight: 5,
    befall: async (scene) => {
      const { site, random } = scene
      await killNats(scene)
      await sleep(random.below(PUBLISH_TIMEOUT))
      await site.nats.restart()
    },
  },
  {
    name: 'nats-server frozen',
    weight: 2,
    befall: async ({ site: { nats }, random }) => {
      process.kill(nats.pid, 'SIGSTOP')
      await sleep(random.below(5 * PUBLISH_TIMEOUT))
      process.kill(nats.pid, 'SIGCONT')
    },
  },
  {
    // For longer than it remembers ids; and of what it stored just before nobody knows.
    name: 'nats-server away for long',
    weight: 1,
    befall: async (scene) => {
      const { site, crews, random } = scene
      const links = crews.flatMap(({ slots }) => slots.map((slot) => slot.nats))
      for (const link of links) link.loseAcks(true)
      await sleep(random.below(100))
      await site.forgetting(DUPLICATE_WINDOW, async () => {
        await killNats(scene)
        for (const link of links) link.loseAcks(false)
        await sleep(DUPLICATE_WINDOW * (1.5 + 3 * random.next()))
        await site.nats.restart()
      })
    },
  },
  {
    // Of itself it does not go on when there is room again; 2.9 hangs, and does not even end in order.
    name: 'disk of nats-server full',
    weight: 2,
    possible: ({ disk }) => disk !== undefined,
    befall: async (scene) => {
      const { site, random } = scene
      const { nats, disk } = site
      await disk!.fill(random.below(100_000))
      await sleep(PUBLISH_TIMEOUT + random.below(PUBLISH_TIMEOUT))
      await disk!.free()
      await killNats(scene)
      await nats.restart()
    },
  },
  {
    name: 'backends terminated',
    weight: 4,
    befall: async ({ site, random }) => {
      const share = random.next()
      await ask(site.databaseUrl, async (client) => {
        await client.query(`select setseed(${random.next()})`)
        await client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and random() < ${share}`,
        )
      })
    },
  },
  {
    name: 'PostgreSQL restarted at once',
    weight: 3,
    befall: async ({ site: { postgres } }) => {
      await postgres.kill('SIGQUIT') // an immediate shutdown
      await postgres.restart()
    },
  },
  {
    // The ids of those transactions are handed out again, and the relays have seen them in use.
    name: 'PostgreSQL crashed after rollbacks',
    weight: 1,
    befall: async ({ site, writers, crews, random }) => {
      const relays = crews.flatMap(({ slots }) => slots)
      writers.freeze()
      await sleep(250) // or a COMMIT that is under way brings the ids to the disk
      await ask(site.databaseUrl, async (client) => {
        for (let n = 0; n < 20; n++) await client.query('begin; insert into notes values (1); rollback')
        const { rows } = await client.query('select pg_backend_pid() as pid')
        await sleep(2900 + random.below(300)) // for the relays to look, and some of them seldom
        for (const relay of relays) relay.freeze()
        process.kill(rows[0].pid, 'SIGKILL')
      })
      await untilUp(site.databaseUrl)
      writers.thaw()
      await sleep(500) // for the writers to use them
      for (const relay of relays) relay.thaw()
    },
  },
  {
    name: 'writer killed',
    weight: 2,
    befall: ({ writers, random, killed }) => {
      killed('writers')
      return writers.kill(random.below(writers.links.length))
    },
  },
  {
    name: 'writer cut',
    weight: 2,
    befall: async ({ writers, random }) => random.pick(writers.links).cutAll(),
  },
  {
    name: 'writer held back',
    weight: 1,
    befall: async ({ writers, random }) => {
      const link = random.pick(writers.links)
      link.hold()
      await sleep(random.below(1000))
      link.cutAll()
      link.release()
    },
  },
]

async function killNats({ site, killed }: Scene): Promise<void> {
  killed('nats-server')
  await site.nats.kill()
}

async function ask(url: string, act: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(url)
  client.on('error', () => {}) // that may be the point
  await client.connect()
  try {
    await act(client)
  } finally {
    await client.end().catch(() => {})
  }
}

async function untilUp(url: string): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await sleep(20)) {
    try {
      return await ask(url, (client) => client.query('select 1'))
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}
