import { once } from 'node:events'
import { Option } from 'commander'
import { traceRelay } from '../../observability/trace-relay.js'
import { createRelay, type Relay } from '../../relay/relay.js'
import type { CommandSpec, Context } from '../command.js'
import { EXIT, Failure } from '../exit-codes.js'
import { Progress } from '../output/progress.js'
import { print, printJson } from '../output/stdout.js'
import { duration, plural } from '../output/units.js'
import { milliseconds } from '../parsers.js'
import { configOption, type SessionOptions, withSession } from '../session.js'
import { type MetricsFlags, metricsOptions, startMetrics } from '../worker/metrics-server.js'
import { logWorker } from '../worker/relay-log.js'
import {
  blame,
  resolveWorker,
  stopTimeoutOf,
  type WorkerFlags,
  workerOptions,
} from '../worker/worker-settings.js'

interface RelayCommandOptions extends SessionOptions, WorkerFlags, MetricsFlags {
  readonly once?: true
  readonly timeout?: number
}

export const relayCommand: CommandSpec<RelayCommandOptions> = {
  name: 'relay',
  summary: 'publish what is in the log, until it is stopped',
  description: `Publishes the events of the log, as they are committed, until SIGTERM or SIGINT. Then it waits for what is
in flight, stores its checkpoint and lets the next relay in. A second signal ends it at once: what was in flight
is published again, under the same ids.

Run as many as you like: one of a name leads, the others take over when it is gone.`,
  options: [
    configOption,
    ...workerOptions,
    ...metricsOptions,
    new Option('--once', 'end when everything that is committed now is published'),
    new Option('--timeout <duration>', 'with --once: fail after so long, such as 5m').argParser(milliseconds),
  ],
  json: true,
  examples: [
    ['relay', 'a worker, with the settings of outbox.config.ts'],
    ['relay --once --timeout 5m', 'for cron, or after a deployment: publish what is there'],
    ['relay --name audit --json', 'another relay, over the same log; its logs as JSON lines'],
  ],
  run: (options, context) =>
    withSession(options, context, async (session) => {
      const settings = resolveWorker(options, session.config.relay)
      const timeoutMs = blame(options, session.file, () => stopTimeoutOf(settings))
      const publisher = await session.createPublisher()
      const relay = blame(options, session.file, () =>
        createRelay({ db: session.db, publisher, ...settings }),
      )
      logWorker(relay, context.log)
      traceRelay(relay)
      if (options.once) await drain(relay, options, context, timeoutMs)
      else {
        const server = await startMetrics(relay, options, session.config.metrics, context.log)
        await work(relay, context, timeoutMs)
        await server?.close()
      }
      return EXIT.ok
    }),
}

async function work(relay: Relay, { log, signal }: Context, timeoutMs: number): Promise<void> {
  const { name, publisher, owner } = relay.status()
  log.info(`relay ${name} starts, to publish to ${publisher.name}`, { relay: name, owner })
  if (!signal.aborted) await Promise.race([relay.start(), once(signal, 'abort')])
  const standby = setTimeout(() => {
    if (relay.status().state === 'standby')
      log.info(`relay ${name} stands by: another one leads`, { relay: name })
  }, STANDBY_MS)
  if (!signal.aborted) await once(signal, 'abort')
  clearTimeout(standby)
  await relay.stop({ timeoutMs })
}

/** By then a relay leads if it can. */
const STANDBY_MS = 2000

async function drain(
  relay: Relay,
  { timeout }: RelayCommandOptions,
  { json, signal }: Context,
  stopTimeoutMs: number,
): Promise<void> {
  const startedAt = performance.now()
  const progress = json ? undefined : new Progress('published')
  relay.on('published', () => progress?.update(relay.status().published))
  const ended = timeout === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeout)])
  // Not the signal of `drain`, which gives up what is in flight.
  ended.addEventListener('abort', () => void relay.stop({ timeoutMs: stopTimeoutMs }))
  try {
    await relay.drain()
  } catch (error) {
    if (!ended.aborted) throw error
    throw signal.aborted
      ? signal.reason
      : new Failure(`not everything was published within ${duration(timeout ?? 0)}`)
  } finally {
    progress?.end()
  }
  const { name, published } = relay.status()
  const durationMs = Math.round(performance.now() - startedAt)
  if (json) await printJson({ relay: name, published, durationMs })
  else await print(`published ${plural(published, 'event')} in ${duration(durationMs)}`)
}
