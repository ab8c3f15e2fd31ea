import type { StreamInfo } from '@nats-io/jetstream'
import { OutboxError } from '../../errors.js'

/** How far a stream reached, and which stream: what is stored with a checkpoint. */
export interface StreamEnd {
  readonly stream: string
  /** When the stream was created. */
  readonly created: string
  /** When that was read. */
  readonly seen: string
  readonly lastSequence: number
}

export function endOf({ config, created, state }: StreamInfo): StreamEnd {
  return { stream: config.name, created, seen: new Date().toISOString(), lastSequence: state.last_seq }
}

export function formatEnd(end: StreamEnd): string {
  return JSON.stringify(end)
}

/** Undefined for what is not about this stream: the state of a publisher to another stream, or another broker. */
export function parseEnd(stream: string, state: string | undefined): StreamEnd | undefined {
  const end: Partial<StreamEnd> = JSON.parse(state ?? 'null') ?? {}
  const { created, seen, lastSequence } = end
  const known = created !== undefined && seen !== undefined && lastSequence !== undefined
  return end.stream === stream && known ? { stream, created, seen, lastSequence } : undefined
}

interface Loss {
  readonly reason: 'created anew' | 'shorter'
  readonly text: string
}

/** What a stream has lost of what was there at a checkpoint. */
export function lostSince(before: StreamEnd, { created, state }: StreamInfo): Loss | undefined {
  if (isCreatedAnew(before, created, state))
    return {
      reason: 'created anew',
      text: `it was created at ${created}, the one published to at ${before.created}`,
    }
  if (state.last_seq < before.lastSequence)
    return { reason: 'shorter', text: `it ends at ${state.last_seq} and had reached ${before.lastSequence}` }
  return undefined
}

/**
 * That it was created at another time is not enough. When nats-server (2.9, 2.10) starts, a stream whose configuration
 * was changed is given the time of the start before (test/faults/lost-streams.test.ts): which is before it was last seen,
 * or before its first message.
 */
function isCreatedAnew(before: StreamEnd, created: string, state: StreamInfo['state']): boolean {
  // By time, not by text: servers print it with more digits, or fewer.
  const time = Date.parse(created)
  if (time === Date.parse(before.created) || time < Date.parse(before.seen)) return false
  return state.messages === 0 || Date.parse(state.first_ts) >= time
}

export function destinationLost(stream: string, { reason, text }: Loss) {
  return new OutboxError(
    'ERR_OUTBOX_DESTINATION_LOST',
    `stream ${stream} has lost events that it had acknowledged: ${text}. To publish again what the log retains, call replay; to go on without, allow lost-events`,
    { stream, reason },
  )
}

export function replayRefused(stream: string) {
  return new OutboxError(
    'ERR_OUTBOX_REPLAY_REFUSED',
    `stream ${stream} keeps a strict order and has events: publish again into a new stream, or call cancelReplay`,
    { stream },
  )
}
