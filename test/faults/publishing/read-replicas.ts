/** What each node of a cluster holds of a stream. */
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { NatsCluster } from '../../../dev/servers/index.js'

/** By the node's name: its messages as text, in order. Each node has to lead the stream for that, because only leaders answer. */
export async function readReplicas(cluster: NatsCluster, stream: string): Promise<Map<string, string[]>> {
  const replicas = new Map<string, string[]>()
  while (replicas.size < cluster.nodes.length) {
    const { name } = await cluster.leaderOf(stream)
    if (!replicas.has(name)) replicas.set(name, await readFromLeader(cluster, stream))
    await cluster.stepDown(stream)
    await cluster.settled(stream)
  }
  return replicas
}

async function readFromLeader({ servers }: NatsCluster, stream: string): Promise<string[]> {
  const connection = await connect({ servers })
  try {
    const manager = await jetstreamManager(connection)
    const { state } = await manager.streams.info(stream)
    const messages: string[] = []
    for (let seq = state.first_seq; seq <= state.last_seq; seq += BATCH) {
      const length = Math.min(BATCH, state.last_seq - seq + 1)
      messages.push(
        ...(await Promise.all(Array.from({ length }, (_, n) => readMessage(manager, stream, seq + n)))),
      )
    }
    return messages
  } finally {
    await connection.close()
  }
}

async function readMessage({ streams }: JetStreamManager, stream: string, seq: number): Promise<string> {
  const message = await streams.getMessage(stream, { seq })
  return `${seq} ${message?.header.get('Nats-Msg-Id')} ${message?.string()}`
}

const BATCH = 500
