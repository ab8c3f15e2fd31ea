import { Option } from 'commander'
import { isOutboxError } from '../../errors.js'
import type { Finding } from '../../publishers/publisher.js'
import type { CommandSpec } from '../command.js'
import { checkServer } from '../doctor/database-checks.js'
import { checkDestination } from '../doctor/destination-checks.js'
import { checkRelay } from '../doctor/relay-checks.js'
import { checkSessions } from '../doctor/session-check.js'
import { checkTables } from '../doctor/table-checks.js'
import { EXIT, UsageError } from '../exit-codes.js'
import { type Area, renderAreas } from '../output/finding-text.js'
import { print, printJson } from '../output/stdout.js'
import { paintFor } from '../output/style.js'
import { configOption, type Session, type SessionOptions, withSession } from '../session.js'
import { relayNameOf, relayOption } from '../worker/worker-settings.js'

interface DoctorOptions extends SessionOptions {
  readonly relay?: string
  readonly strict?: true
}

export const doctorCommand: CommandSpec<DoctorOptions> = {
  name: 'doctor',
  summary: 'look at everything that matters, and say what to do',
  description: `Looks at the server, the tables, the relay and the stream for what breaks a promise or will: versions, schema
drift, indexes, privileges, row-level security, the sequence, poolers, old transactions, autovacuum, the lease,
clocks, and the stream's settings. Says of each what it means and what to type. Changes nothing.

Exit code 3 if there is an error; a warning is something to know.`,
  options: [configOption, relayOption, new Option('--strict', 'exit code 3 for warnings too')],
  json: true,
  examples: [
    ['doctor', 'before production, and when something is odd'],
    ['doctor --strict || exit 1', 'in a pipeline'],
    ['doctor --json | jq \'.findings[] | select(.level != "ok")\'', 'what is not in order, for machines'],
  ],
  run: (options, context) =>
    withSession(options, context, async (session) => {
      const relay = relayNameOf(options, session.config.relay)
      const areas = await examine(session, relay, context.signal)
      const findings = areas.flatMap(({ name, findings }) =>
        findings.map((finding) => ({ area: name, ...finding })),
      )
      const healthy = findings.every(
        ({ level }) => level === 'ok' || (level === 'warning' && !options.strict),
      )
      if (context.json)
        await printJson({
          relay,
          healthy,
          findings: findings.map((finding) => ({ remedy: null, ...finding })),
        })
      else await print(renderAreas(areas, paintFor(process.stdout)))
      return healthy ? EXIT.ok : EXIT.unhealthy
    }),
}

async function examine(session: Session, relay: string, signal: AbortSignal): Promise<Area[]> {
  const { log } = session
  const database = await attempt('database', signal, async () => [
    ...(await checkServer(log)),
    await checkSessions(session, signal),
  ])
  const reached = database.findings.some(({ check }) => check === 'server')
  const tables = reached ? [await attempt('tables', signal, () => checkTables(log))] : []
  // With other tables the rest cannot be asked.
  const usable = tables[0]?.findings[0]?.level === 'ok'
  return [
    database,
    ...tables,
    ...(usable ? [await attempt('relay', signal, () => checkRelay(log, relay))] : []),
    await attempt('destination', signal, () => checkDestination(session, usable ? relay : undefined, signal)),
  ]
}

/** What cannot be looked at is a finding too. */
async function attempt(name: string, signal: AbortSignal, look: () => Promise<Finding[]>): Promise<Area> {
  try {
    return { name, findings: await look() }
  } catch (error) {
    signal.throwIfAborted()
    if (!isOutboxError(error) && !(error instanceof UsageError)) throw error
    return { name, findings: [{ check: 'reachable', level: 'error', message: error.message }] }
  }
}
