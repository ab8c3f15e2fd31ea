import {
  DiscardPolicy,
  PersistMode,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream'
import { DEFAULT_MAX_EVENT_BYTES } from '../../events/definition.js'

export const RISKS = [
  'discard-old',
  'memory-storage',
  'async-persistence',
  'duplicate-window',
  'max-payload',
  'lost-events',
] as const

/**
 * What weakens a promise, and you may accept: settings of the stream, and `lost-events`, to go on with a stream that has
 * lost events which it had acknowledged, or was created anew. The lost ones are not published again.
 */
export type StreamRisk = (typeof RISKS)[number]

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

/** One way to make JetStream acknowledge an event that it does not keep, or store one twice. */
interface StreamCheck {
  readonly name: string
  /** Under which name it may be accepted. Left out: it may not. */
  readonly risk?: StreamRisk
  /** What is wrong. Undefined: nothing. */
  problem(config: StreamConfig, needs: StreamNeeds): string | undefined
  /** How it is, for who wants to know. */
  describe(config: StreamConfig, needs: StreamNeeds): string
  /** What to do, or to give to `nats stream edit`. */
  remedy(config: StreamConfig, needs: StreamNeeds): { readonly edit: string } | { readonly advice: string }
}

/** In the order of messages. */
export const STREAM_CHECKS: readonly StreamCheck[] = [
  {
    name: 'acknowledgements',
    problem: ({ no_ack }) => (no_ack ? 'no_ack: it acknowledges nothing' : undefined),
    describe: () => 'it acknowledges what it stores',
    remedy: () => ({ edit: '--ack' }),
  },
  {
    name: 'sealed',
    problem: ({ sealed }) => (sealed ? 'sealed: it takes no messages' : undefined),
    describe: () => 'it takes messages',
    remedy: () => ({ advice: 'a sealed stream stays so: publish to another one' }),
  },
  {
    name: 'mirror',
    problem: ({ mirror }) => (mirror ? 'mirror: it takes no messages of its own' : undefined),
    describe: () => 'it is not the copy of another one',
    remedy: ({ mirror }) => ({ advice: `publish to ${mirror?.name}, of which it is the copy` }),
  },
  {
    name: 'retention',
    problem: ({ retention }) =>
      retention === RetentionPolicy.Limits
        ? undefined
        : `retention ${retention}: it drops acknowledged events that no consumer asks for; use limits`,
    describe: ({ retention }) => `${retention}: events stay, whoever reads them`,
    remedy: ({ retention }) =>
      retention === RetentionPolicy.Workqueue
        ? { advice: 'a work queue stays one: publish to another stream' }
        : { edit: '--retention limits' },
  },
  {
    name: 'limit per subject',
    problem: ({ max_msgs_per_subject: limit }) =>
      limit > 0 ? 'max_msgs_per_subject: it drops earlier events of a subject' : undefined,
    describe: () => 'none',
    remedy: () => ({ edit: '--max-msgs-per-subject=-1' }),
  },
  {
    name: 'subjects',
    problem: ({ subjects }, { subjects: needed }) =>
      needed === undefined || subjects?.some((subject) => covers(subject, needed))
        ? undefined
        : `its subjects (${subjects?.join(', ')}) do not cover ${needed}`,
    describe: ({ subjects }, { subjects: needed }) =>
      needed === undefined
        ? `${subjects?.join(', ')}; whether they cover what your function gives, nobody knows before`
        : `${subjects?.join(', ')} cover ${needed}`,
    remedy: ({ subjects = [] }, { subjects: needed }) => ({
      edit: `--subjects '${[...subjects, needed].join(',')}'`,
    }),
  },
  {
    name: 'sources',
    problem: ({ sources }, { exclusive }) =>
      exclusive && sources?.length ? 'sources: other streams write to it' : undefined,
    describe: ({ sources }) => (sources?.length ? 'other streams write to it, and may' : 'none'),
    remedy: () => ({ advice: 'ordering "stream" needs a stream to itself: publish to one without sources' }),
  },
  {
    name: 'other subjects',
    problem: ({ subjects }, { exclusive, subjects: ours }) =>
      exclusive && ours !== undefined && !subjects?.every((subject) => covers(ours, subject))
        ? `its subjects (${subjects?.join(', ')}) go beyond ${ours}: ordering "stream" needs a stream to itself`
        : undefined,
    describe: (_, { exclusive }) => (exclusive ? 'none' : 'others may write to it'),
    remedy: (_, { subjects }) => ({ edit: `--subjects '${subjects}'` }),
  },
  {
    name: 'discard policy',
    risk: 'discard-old',
    problem: ({ discard, max_msgs, max_bytes }) =>
      discard === DiscardPolicy.Old && (max_msgs > 0 || max_bytes > 0)
        ? 'discard old with max_msgs or max_bytes: when full it drops the oldest events unread'
        : undefined,
    describe: ({ discard, max_msgs, max_bytes }) =>
      max_msgs > 0 || max_bytes > 0 ? `${discard}: when full it takes no more` : 'no limit by number or size',
    remedy: () => ({ edit: '--discard new' }),
  },
  {
    name: 'storage',
    risk: 'memory-storage',
    problem: ({ storage }) =>
      storage === StorageType.Memory
        ? 'memory storage: a restart of the server loses acknowledged events'
        : undefined,
    describe: ({ storage }) => storage,
    remedy: () => ({ advice: 'a stream keeps its kind of storage: make another one with --storage file' }),
  },
  {
    name: 'persistence',
    risk: 'async-persistence',
    problem: ({ persist_mode }) =>
      persist_mode === PersistMode.Async
        ? 'persist_mode async: it acknowledges events before it has written them'
        : undefined,
    describe: () => 'events are written before they are acknowledged',
    remedy: () => ({ advice: 'a stream keeps its persist_mode: make another one with the default' }),
  },
  {
    name: 'duplicate window',
    risk: 'duplicate-window',
    problem: ({ duplicate_window }, { resendMs }) =>
      duplicate_window / 1e6 < resendMs
        ? `duplicate_window ${duplicate_window / 1e6} ms: an event may be sent again after ${resendMs} ms`
        : undefined,
    describe: ({ duplicate_window }, { resendMs }) =>
      `${duplicate_window / 1e6} ms; an event may be sent again after ${resendMs} ms`,
    remedy: (_, { resendMs }) => ({ edit: `--dupe-window ${Math.ceil(resendMs / 1000)}s` }),
  },
  {
    name: 'message size',
    risk: 'max-payload',
    problem: (config, { maxPayload }) => {
      const limit = largestMessage(config, maxPayload)
      return limit < LARGEST_EVENT
        ? `a message may have ${limit} bytes, an event up to ${LARGEST_EVENT}: raise the limit, or lower maxEventBytes of every definition and allow max-payload`
        : undefined
    },
    describe: (config, { maxPayload }) =>
      `up to ${largestMessage(config, maxPayload)} bytes; an event has up to ${LARGEST_EVENT}`,
    remedy: ({ max_msg_size }, { maxPayload }) =>
      maxPayload < LARGEST_EVENT
        ? { advice: `set max_payload: ${LARGEST_EVENT} in the configuration of nats-server, and reload it` }
        : { edit: `--max-msg-size ${max_msg_size > 0 ? LARGEST_EVENT : -1}` },
  },
]

/** What an event's headers may need on top of its data: JetStream takes no more. */
const HEADER_ALLOWANCE = 64 * 1024
const LARGEST_EVENT = DEFAULT_MAX_EVENT_BYTES + HEADER_ALLOWANCE

function largestMessage({ max_msg_size }: StreamConfig, maxPayload: number): number {
  return max_msg_size > 0 ? Math.min(max_msg_size, maxPayload) : maxPayload
}

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
