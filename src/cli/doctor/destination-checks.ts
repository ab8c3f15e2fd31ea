import { readPublisherState } from '../../event-log/relay-row.js'
import type { Finding } from '../../publishers/publisher.js'
import { createRelay } from '../../relay/relay.js'
import type { Session } from '../session.js'
import { blame, resolveWorker } from '../worker/worker-settings.js'

/**
 * What the publisher says of where events go, and whether a relay could be made of the settings.
 *
 * @param relay Undefined where the database cannot say how far it is.
 */
export async function checkDestination(
  session: Session,
  relay: string | undefined,
  signal: AbortSignal,
): Promise<Finding[]> {
  const publisher = await session.createPublisher()
  try {
    const settings = resolveWorker({}, session.config.relay)
    blame({}, session.file, () => createRelay({ db: session.db, publisher, ...settings }))
    const { leaseMs = 15_000 } = settings
    const state = relay === undefined ? undefined : await readPublisherState(session.log, relay)
    const found = await publisher.diagnose?.({ leaseMs, state, signal })
    return [
      ...(found ?? [
        { check: 'publisher', level: 'ok', message: `${publisher.name} says nothing of itself` },
      ]),
    ]
  } finally {
    await publisher.close().catch(() => {})
  }
}
