import { isOutboxError } from '../../errors.js'
import type { EventLog } from '../../event-log/database.js'
import { type RelayProgress, readRelayProgress } from '../../event-log/log-statistics.js'
import { checkDatabase } from '../../event-log/preflight.js'
import type { Finding } from '../../publishers/publisher.js'
import { duration, plural } from '../output/units.js'

/** The relay of a name: whether it may run on this database, who leads, and how far it is. */
export async function checkRelay(log: EventLog, name: string): Promise<Finding[]> {
  const progress = await readRelayProgress(log, name)
  return [
    ...(await originOf(log)),
    ...(progress === undefined
      ? [{ check: 'lease', level: 'warning', message: `relay ${name} has never run`, remedy: START } as const]
      : [leaseOf(progress), backlogOf(progress), deadLettersOf(progress)]),
  ]
}

const START = 'npx drizzle-outbox relay'
const OLD_MS = 5 * 60_000

/** Where the log and the checkpoint come from. The rest of what a relay looks at before it starts is checked elsewhere. */
async function originOf(log: EventLog): Promise<Finding[]> {
  const check = 'origin of the log'
  try {
    await checkDatabase(log)
  } catch (error) {
    const unfit = isOutboxError(error) && error.code === 'ERR_OUTBOX_DATABASE_UNFIT'
    if (!unfit) throw error
    if (error.details.reason === 'cluster-changed')
      return [{ check, level: 'error', message: error.message, remedy: 'npx drizzle-outbox rebase' }]
  }
  return [{ check, level: 'ok', message: 'this database cluster' }]
}

function leaseOf({ name, lease, owner, epoch, inactiveMs, pendingEvents }: RelayProgress): Finding {
  const check = 'lease'
  if (lease === 'held') return { check, level: 'ok', message: `held by ${owner}, epoch ${epoch}` }
  const last = `last heard of ${duration(inactiveMs)} ago`
  if (lease === 'lapsed')
    return {
      check,
      level: 'warning',
      message: `${owner} is gone without a word, ${last}, and nobody has taken over from relay ${name}`,
      remedy: START,
    }
  const message = `nobody leads as ${name}, ${last}`
  return pendingEvents === 0
    ? { check, level: 'ok', message }
    : { check, level: 'warning', message, remedy: START }
}

function backlogOf({ pendingEvents, oldestPendingAgeMs = 0, lease }: RelayProgress): Finding {
  const check = 'backlog'
  if (pendingEvents === 0) return { check, level: 'ok', message: 'everything is published' }
  const message = `${plural(pendingEvents, 'event')} to publish, the oldest for ${duration(oldestPendingAgeMs)}`
  if (oldestPendingAgeMs < OLD_MS) return { check, level: 'ok', message }
  return {
    check,
    level: 'warning',
    message,
    remedy: lease === 'held' ? "look at the relay's logs for `paused`" : START,
  }
}

function deadLettersOf({ name, deadLetters }: RelayProgress): Finding {
  const check = 'dead letters'
  if (deadLetters === 0) return { check, level: 'ok', message: 'none' }
  return {
    check,
    level: 'warning',
    message: `${plural(deadLetters, 'event')} refused, or waiting behind one that was`,
    remedy: `npx drizzle-outbox dead list --relay ${name}, then retry or discard them`,
  }
}
