import type { EventLog } from '../../event-log/database.js'
import { type DatabaseFacts, readDatabaseFacts } from '../../event-log/database-facts.js'
import type { Finding } from '../../publishers/publisher.js'
import { duration } from '../output/units.js'

/** The server: whether it keeps what it has committed, and cleans up. */
export async function checkServer(log: EventLog): Promise<Finding[]> {
  const sentAt = Date.now()
  const facts = await readDatabaseFacts(log, OLD_TRANSACTION_MS)
  const receivedAt = Date.now()
  return [
    serverOf(facts),
    durabilityOf(facts),
    clockOf(facts, sentAt, receivedAt),
    ...transactionsOf(facts),
    autovacuumOf(facts),
  ]
}

const OLD_TRANSACTION_MS = 5 * 60_000
const CLOCK_SKEW_MS = 2000

function serverOf({ version, role, isReplica }: DatabaseFacts): Finding {
  const check = 'server'
  const message = `PostgreSQL ${version}, as role ${role}`
  if (!isReplica) return { check, level: 'ok', message }
  return {
    check,
    level: 'error',
    message: `${message}: this is a replica, and the relay does not start`,
    remedy: 'connect to the primary',
  }
}

function durabilityOf({ fsync, fullPageWrites, synchronousCommit }: DatabaseFacts): Finding {
  const check = 'durability'
  if (!fsync || !fullPageWrites)
    return {
      check,
      level: 'error',
      message: `${fsync ? 'full_page_writes' : 'fsync'} is off: a crash of the machine destroys the database, events included`,
      remedy: `alter system set ${fsync ? 'full_page_writes' : 'fsync'} = on; select pg_reload_conf()`,
    }
  if (synchronousCommit === 'off')
    return {
      check,
      level: 'warning',
      message:
        'synchronous_commit is off: a crash loses the last commits. State and events stay together, but what was told to a user may not have happened',
      remedy: 'set synchronous_commit = on for the roles that record events',
    }
  return { check, level: 'ok', message: `fsync on, synchronous_commit ${synchronousCommit}` }
}

/** Between question and answer the server's clock must have shown what it did. */
function clockOf({ now }: DatabaseFacts, sentAt: number, receivedAt: number): Finding {
  const check = 'clock'
  const time = now.getTime()
  const skew = time < sentAt ? time - sentAt : Math.max(0, time - receivedAt)
  if (Math.abs(skew) < CLOCK_SKEW_MS)
    return { check, level: 'ok', message: 'this machine and the database agree' }
  return {
    check,
    level: 'warning',
    message: `the database is ${duration(Math.abs(skew))} ${skew > 0 ? 'ahead of' : 'behind'} this machine: events bear the time of the machine that records them; leases go by the database and are safe`,
    remedy: 'keep both in time, by NTP',
  }
}

function transactionsOf({ oldTransactions, seesOthers }: DatabaseFacts): Finding[] {
  const check = 'oldest transaction'
  if (oldTransactions.length === 0)
    return [
      {
        check,
        level: 'ok',
        message: `none is older than ${duration(OLD_TRANSACTION_MS)}${seesOthers ? '' : ', of those that this role may see (pg_read_all_stats shows all)'}`,
      },
    ]
  return oldTransactions.map(({ what, ageMs, remedy }) => ({
    check,
    level: 'warning',
    message: `open for ${duration(ageMs)}: ${what}. Dead rows of the relays' table stay while it is open, and every look at it takes longer; its own events, if it has any, wait for its commit`,
    remedy: `find out why it is open, or: ${remedy}`,
  }))
}

function autovacuumOf({ autovacuum }: DatabaseFacts): Finding {
  const check = 'autovacuum'
  if (autovacuum) return { check, level: 'ok', message: 'on' }
  return {
    check,
    level: 'error',
    message:
      'off: dead rows pile up, queries become slow, and one day the database stops for lack of transaction ids',
    remedy: 'alter system set autovacuum = on; select pg_reload_conf()',
  }
}
