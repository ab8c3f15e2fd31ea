import { StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream'
import type { Finding } from '../publisher.js'
import type { StreamOptions } from './stream.js'
import { STREAM_CHECKS, type StreamNeeds } from './stream-checks.js'
import { lostSince, type StreamEnd } from './stream-end.js'

/**
 * What there is to say of a stream: all that would be refused, and what no relay can see to.
 *
 * @param before Where it ended at the relay's last checkpoint.
 */
export function diagnoseStream(
  { name, allow = [], create = false }: StreamOptions,
  info: StreamInfo | undefined,
  needs: StreamNeeds,
  before: StreamEnd | undefined,
  version: string,
): Finding[] {
  if (info === undefined) return [before === undefined ? missing(name, create !== false) : gone(name)]
  const { config } = info
  const findings = STREAM_CHECKS.map(({ name: check, risk, ...of }): Finding => {
    const problem = of.problem(config, needs)
    if (problem === undefined) return { check, level: 'ok', message: of.describe(config, needs) }
    if (risk !== undefined && allow.includes(risk))
      return { check, level: 'ok', message: `${problem}; accepted by stream: { allow: ['${risk}'] }` }
    const remedy = of.remedy(config, needs)
    const typed = 'edit' in remedy ? `nats stream edit ${name} ${remedy.edit}` : remedy.advice
    return { check, level: 'error', message: problem, remedy: typed }
  })
  const kept = before === undefined ? [] : [keptOf(before, info, allow.includes('lost-events'))]
  return [...findings, ...kept, replicasOf(config), syncOf(config, version)]
}

function missing(name: string, create: boolean): Finding {
  return create
    ? {
        check: 'stream',
        level: 'ok',
        message: `there is no stream ${name} yet: the relay makes it when it starts`,
      }
    : {
        check: 'stream',
        level: 'error',
        message: `there is no stream ${name}: the relay does not start`,
        remedy: `nats stream add ${name}, or stream: { name: '${name}', create: true }`,
      }
}

function gone(name: string): Finding {
  return {
    check: 'stream',
    level: 'error',
    message: `stream ${name} is gone, with the events that it held: the relay publishes nothing until it is there again and somebody has decided about those`,
    remedy:
      'restore it, or create it again (with create: true a relay does as it starts); then run the doctor again',
  }
}

/** What the relay would find out as it begins to lead. */
function keptOf(before: StreamEnd, info: StreamInfo, accepted: boolean): Finding {
  const check = 'acknowledged events'
  const lost = lostSince(before, info)
  if (lost === undefined) return { check, level: 'ok', message: 'it has what it had at the last checkpoint' }
  if (accepted)
    return {
      check,
      level: 'ok',
      message: `lost: ${lost.text}; accepted by stream: { allow: ['lost-events'] }`,
    }
  return {
    check,
    level: 'error',
    message: `lost: ${lost.text}. The relay publishes nothing until somebody decides`,
    remedy: `restore the stream; or publish again what the log retains: npx drizzle-outbox replay; or go on without: stream: { allow: ['lost-events'] }, for one start`,
  }
}

function replicasOf({ name, num_replicas: replicas }: StreamConfig): Finding {
  if (replicas > 1)
    return { check: 'replicas', level: 'ok', message: `${replicas}: it survives the loss of a server` }
  return {
    check: 'replicas',
    level: 'warning',
    message:
      '1: when its server is gone nothing can be published, and when the disk is gone so are the events',
    remedy: `nats stream edit ${name} --replicas 3, in a cluster`,
  }
}

/** The server does not tell a client how often it syncs. */
function syncOf({ storage, num_replicas: replicas }: StreamConfig, version: string): Finding {
  const check = 'sync to disk'
  if (storage === StorageType.Memory) return { check, level: 'ok', message: 'memory storage has none' }
  if (replicas > 1)
    return {
      check,
      level: 'ok',
      message: 'by the server, some time after the acknowledgement; other replicas have it',
    }
  return {
    check,
    level: 'warning',
    message:
      'nats-server acknowledges before it syncs, every two minutes unless it is told otherwise: a power failure loses what was acknowledged since; the relay notices, and waits for you',
    remedy: knowsSyncInterval(version)
      ? 'jetstream { sync_interval: always } in the configuration of nats-server, or replicas'
      : `replicas; or a nats-server from 2.10 on, with jetstream { sync_interval: always }, which ${version} does not know`,
  }
}

function knowsSyncInterval(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 2 || (major === 2 && minor >= 10)
}
