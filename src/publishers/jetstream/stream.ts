import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { invalidOption, OutboxError } from '../../errors.js'
import { DEFAULT_MAX_EVENT_BYTES } from '../../events/definition.js'
import { ForeignError, safeText } from '../../foreign-errors.js'
import { reasonOf, unavailable } from './broker-errors.js'

const RISKS = ['discard-old', 'memory-storage', 'duplicate-window', 'max-payload', 'lost-events'] as const

/**
 * What weakens a promise, and you may accept: settings of the stream, and `lost-events`, to go on with a stream that has
 * lost events which it had acknowledged, or was created anew. The lost ones are not published again.
 */
export type StreamRisk = (typeof RISKS)[number]

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

export interface StreamNeeds {
  /** What the stream's subjects must cover, if it is known. */
  readonly subjects: string | undefined
  /** How long after a first attempt the same event may be sent again by a relay's successor. */
  readonly resendMs: number
  readonly maxPayload: number
  /** The server knows fast ingest: a stream that is created allows it. */
  readonly fastIngest: boolean
  /** Nobody else may write to the stream. */
  readonly exclusive: boolean
  /** The stream was there before. To create it anew would hide that its events are gone. */
  readonly known: boolean
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
  const findings = findingsOf(info.config, needs).filter(
    ({ risk }) => !options.allow?.some((id) => id === risk),
  )
  if (findings.length > 0)
    throw unfit(
      options.name,
      findings.map(({ text }) => text),
    )
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

interface Finding {
  readonly risk: StreamRisk | undefined
  readonly text: string
}

/** What would make JetStream acknowledge an event that it does not keep, or store one twice. */
function findingsOf(config: StreamConfig, needs: StreamNeeds): Finding[] {
  const findings: Finding[] = []
  const report = (risk: StreamRisk | undefined, text: string) => findings.push({ risk, text })

  if (config.no_ack) report(undefined, 'no_ack: it acknowledges nothing')
  if (config.sealed) report(undefined, 'sealed: it takes no messages')
  if (config.mirror) report(undefined, 'mirror: it takes no messages of its own')
  if (config.retention !== RetentionPolicy.Limits)
    report(
      undefined,
      `retention ${config.retention}: it drops acknowledged events that no consumer asks for; use limits`,
    )
  if (config.max_msgs_per_subject > 0)
    report(undefined, 'max_msgs_per_subject: it drops earlier events of a subject')
  if (
    needs.subjects !== undefined &&
    !config.subjects?.some((subject) => covers(subject, needs.subjects ?? ''))
  )
    report(undefined, `its subjects (${config.subjects?.join(', ')}) do not cover ${needs.subjects}`)
  if (needs.exclusive) {
    if (config.sources?.length) report(undefined, 'sources: other streams write to it')
    const { subjects } = needs
    if (subjects !== undefined && !config.subjects?.every((subject) => covers(subjects, subject)))
      report(
        undefined,
        `its subjects (${config.subjects?.join(', ')}) go beyond ${subjects}: ordering "stream" needs a stream to itself`,
      )
  }
  if (config.discard === DiscardPolicy.Old && (config.max_msgs > 0 || config.max_bytes > 0))
    report(
      'discard-old',
      'discard old with max_msgs or max_bytes: when full it drops the oldest events unread',
    )
  if (config.storage === StorageType.Memory)
    report('memory-storage', 'memory storage: a restart of the server loses acknowledged events')
  if (config.duplicate_window / 1e6 < needs.resendMs)
    report(
      'duplicate-window',
      `duplicate_window ${config.duplicate_window / 1e6} ms: an event may be sent again after ${needs.resendMs} ms`,
    )
  const largest = DEFAULT_MAX_EVENT_BYTES + HEADER_ALLOWANCE
  const limit = config.max_msg_size > 0 ? Math.min(config.max_msg_size, needs.maxPayload) : needs.maxPayload
  if (limit < largest)
    report(
      'max-payload',
      `a message may have ${limit} bytes, an event up to ${largest}: raise the limit, or lower maxEventBytes of every definition and allow max-payload`,
    )
  return findings
}

/** What an event's headers may need on top of its data: JetStream takes no more. */
const HEADER_ALLOWANCE = 64 * 1024

/** Whether every subject that matches `wanted` matches `pattern`. */
function covers(pattern: string, wanted: string): boolean {
  const [tokens, needed] = [pattern.split('.'), wanted.split('.')]
  for (const [index, token] of tokens.entries()) {
    if (token === '>') return needed.length > index
    if (needed[index] === undefined || needed[index] === '>') return false
    if (token !== '*' && token !== needed[index]) return false
  }
  return tokens.length === needed.length
}

function unfit(stream: string, findings: readonly string[], cause?: unknown) {
  return new OutboxError(
    'ERR_OUTBOX_STREAM_UNFIT',
    `stream ${stream} cannot be published to safely: ${findings.join('; ')}`,
    { stream, findings },
    cause === undefined ? {} : { cause: new ForeignError(cause) },
  )
}
