/** A cluster of NATS servers of our own, with JetStream, each of which can be killed and started again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterInfo, type JetStreamManager, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { onFreePorts } from './free-port.js'
import { type NatsOptions, type NatsServer, startNats } from './nats.js'

export interface NatsClusterOptions extends Pick<NatsOptions, 'config' | 'files' | 'binary'> {
  /** Default: 3. */
  readonly size?: number
  /** How to log in where `config` asks for it, for what the cluster itself asks its servers. */
  readonly login?: { readonly user: string; readonly pass: string }
}

export interface NatsNode extends NatsServer {
  /** As the cluster calls it: `n1`. */
  readonly name: string
}

export interface NatsCluster {
  readonly nodes: readonly NatsNode[]
  /** For `connect({ servers })`. Clients learn all addresses from each, unless they set `ignoreClusterUpdates`. */
  readonly servers: string[]
  /** The node that leads a stream; waits until there is one that runs. */
  leaderOf(stream: string): Promise<NatsNode>
  /** Has a stream's leader step down. Resolves with the next leader, which may be the same node. */
  stepDown(stream: string): Promise<NatsNode>
  /** Waits until streams can be made on all nodes, and, with a name, until all hold the whole of that one. */
  settled(stream?: string): Promise<void>
  /** Ends every node and removes its data. Again: does nothing. */
  stop(): Promise<void>
}

/** Resolves when streams can be made. Throws with `howToGetNats` when there is no server to start. */
export async function startNatsCluster(options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { size = 3, login, ...node } = options
  return onFreePorts(2 * size, async (ports) => {
    const cluster = clusterOf(await startNodes(ports.slice(size), ports.slice(0, size), node), login)
    try {
      await cluster.settled()
      return cluster
    } catch (error) {
      await cluster.stop()
      throw error
    }
  })
}

/** At the same time, because they wait for each other. If one fails to start, the others are stopped. */
async function startNodes(
  ports: readonly number[],
  routePorts: readonly number[],
  options: NatsOptions,
): Promise<NatsNode[]> {
  const routes = routePorts.map((port) => `nats://127.0.0.1:${port}`)
  const starting = ports.map(async (port, index): Promise<NatsNode> => {
    const name = `n${index + 1}`
    const own = ['--name', name, '--cluster_name', 'private', '--cluster', routes[index]!]
    const server = await startNats({ ...options, port, flags: [...own, '--routes', routes.join(',')] })
    return Object.assign(server, { name })
  })
  const started = await Promise.allSettled(starting)
  const nodes = started.flatMap((node) => (node.status === 'fulfilled' ? [node.value] : []))
  const failed = started.find((node) => node.status === 'rejected')
  if (failed === undefined) return nodes
  await Promise.all(nodes.map((node) => node.stop()))
  throw failed.reason
}

function clusterOf(nodes: readonly NatsNode[], login: NatsClusterOptions['login']): NatsCluster {
  const servers = nodes.map(({ url }) => url)

  /** Asks again while there is no answer, or an error: that is how a cluster without a leader answers. */
  async function ask<T>(question: (connection: NatsConnection) => Promise<T | undefined>): Promise<T> {
    let cause: unknown
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(50)) {
      try {
        const connection = await connect({ servers, timeout: 1000, reconnect: false, ...login })
        const answer = await question(connection).finally(() => connection.close())
        if (answer !== undefined) return answer
      } catch (error) {
        cause = error
      }
    }
    throw new Error(`the cluster gave no answer within ${patienceMs} ms`, { cause })
  }

  const peersOf = async (connection: NatsConnection, stream: string): Promise<Partial<ClusterInfo>> => {
    const { cluster } = await (await managerOf(connection)).streams.info(stream)
    return cluster ?? {}
  }

  const leaderOf = (stream: string): Promise<NatsNode> =>
    ask(async (connection) => {
      const { leader } = await peersOf(connection, stream)
      return nodes.find(({ name }) => name === leader)
    })

  return {
    nodes,
    servers,
    leaderOf,
    stepDown: async (stream) => {
      await ask(async (connection) => {
        const answer = await connection.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`)
        return answer.json<{ success?: true }>().success
      })
      return leaderOf(stream)
    },
    settled: async (stream) => {
      await ask((connection) => takesStreams(connection, nodes.length))
      if (stream === undefined) return
      await ask(async (connection) => {
        const { leader, replicas = [] } = await peersOf(connection, stream)
        const current = replicas.filter((replica) => replica.current && !replica.offline)
        return (leader !== undefined && current.length === nodes.length - 1) || undefined
      })
    },
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()))
    },
  }
}

/** A node that has just started is in the cluster some time before it is given a part of a stream. */
async function takesStreams(connection: NatsConnection, replicas: number): Promise<true> {
  const { streams } = await managerOf(connection)
  const name = 'settled' // always the same, so that an answer which was lost leaves nothing behind
  await streams.add({ name, subjects: [name], num_replicas: replicas, storage: StorageType.Memory })
  await streams.delete(name)
  return true
}

function managerOf(connection: NatsConnection): Promise<JetStreamManager> {
  return jetstreamManager(connection, { timeout: 2000, checkAPI: false })
}

const patienceMs = 30_000
