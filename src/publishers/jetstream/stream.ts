import {
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { invalidOption, OutboxError } from '../../errors.js'
import { ForeignError, safeText } from '../../foreign-errors.js'
import { reasonOf, unavailable } from './broker-errors.js'
import { RISKS, STREAM_CHECKS, type StreamNeeds, type StreamRisk } from './stream-checks.js'

/** @throws `ERR_OUTBOX_OPTION_INVALID` for a risk that there is not, which would accept nothing. */
export function checkRisks(allow: readonly string[]): void {
  for (const risk of allow)
    if (!RISKS.some((known) => known === risk))
      throw invalidOption('stream.allow', `takes ${RISKS.join(', ')}, not ${risk}`)
}

export interface StreamOptions {
  readonly name: string
  /**
   * Creates the stream when it is missing as the relay starts: `true`, or settings of your own on top of ours (file
   * storage, the subjects of this publisher, no limits). With a `subject` function the settings must name the subjects.
   * A stream that exists is never changed.
   *
   * @default false
   */
  readonly create?: boolean | Partial<StreamConfig>
  /** Risks that you accept. @default [] */
  readonly allow?: readonly StreamRisk[]
}

/**
 * Finds the stream, or creates it, and checks that it keeps what it acknowledges.
 *
 * @throws `ERR_OUTBOX_STREAM_UNFIT` with every finding, `ERR_OUTBOX_UNAVAILABLE`
 */
export async function checkStream(
  manager: JetStreamManager,
  options: StreamOptions,
  needs: StreamNeeds,
): Promise<StreamInfo> {
  const info = (await findStream(manager, options.name)) ?? (await createStream(manager, options, needs))
  const findings = findingsOf(info.config, needs, options.allow ?? [])
  if (findings.length > 0) throw unfit(options.name, findings)
  return info
}

/** Undefined: there is no such stream. @throws `ERR_OUTBOX_UNAVAILABLE` */
export async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name)
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined
    throw unavailable(`cannot look up stream ${name}: ${reasonOf(error)}`, { cause: error })
  }
}

async function createStream(
  manager: JetStreamManager,
  { name, create = false }: StreamOptions,
  { subjects, fastIngest, known }: StreamNeeds,
): Promise<StreamInfo> {
  if (known)
    throw unfit(name, ['it was there and is gone, with the events it held; create it again to go on'])
  if (create === false) throw unfit(name, ['it does not exist; create it, or pass stream: { create: true }'])
  try {
    return await manager.streams.add({
      name,
      storage: StorageType.File,
      ...(fastIngest ? { allow_batched: true } : {}),
      ...(subjects === undefined ? {} : { subjects: [subjects] }),
      ...(create === true ? {} : create),
    })
  } catch (error) {
    if (error instanceof JetStreamApiError)
      throw unfit(name, [`it cannot be created: ${safeText(reasonOf(error))}`], error)
    throw unavailable(`cannot create stream ${name}: ${reasonOf(error)}`, { cause: error })
  }
}

/** What is wrong with it and is not accepted. */
function findingsOf(config: StreamConfig, needs: StreamNeeds, allow: readonly StreamRisk[]): string[] {
  return STREAM_CHECKS.flatMap(({ risk, problem }) => {
    const found = problem(config, needs)
    return found === undefined || (risk !== undefined && allow.includes(risk)) ? [] : [found]
  })
}

function unfit(stream: string, findings: readonly string[], cause?: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_STREAM_UNFIT',
    `stream ${stream} cannot be published to safely: ${findings.join('; ')}`,
    { stream, findings },
    cause === undefined ? {} : { cause: new ForeignError(cause) },
  )
}
