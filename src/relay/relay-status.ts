/**
 * What a relay is doing.
 *
 * - `stopped`: not started, or stopped.
 * - `standby`: asks for the lease; while another relay of this name holds it, until it lapses or is released.
 * - `idle`: leads, and everything that it found is published or set aside.
 * - `publishing`: leads, and has events in hand.
 * - `paused`: broker or database cannot be used; `error` says why. It goes on by itself.
 * - `destinationLost`: paused, because the destination has lost events that it had acknowledged. It does not go on by
 *   itself: an operator decides, by `replay` or the publisher's option to go on without them.
 * - `stopping`: finishes what is in flight.
 */
export type RelayState = (typeof RELAY_STATES)[number]

export const RELAY_STATES = [
  'stopped',
  'standby',
  'idle',
  'publishing',
  'paused',
  'destinationLost',
  'stopping',
] as const

export interface RelayStatus {
  readonly name: string
  readonly state: RelayState
  /** When it entered this state. */
  readonly since: Date
  /** Why it is paused. */
  readonly error?: Error
  /** How long broker or database have not worked, without a success in between. Milliseconds. Absent: they do. */
  readonly pausedMs?: number
  /**
   * For how long nothing was heard of the relay's loop that should have been: it is stuck, or a page takes so long.
   * Milliseconds. 0: it is on time.
   */
  readonly overdueMs: number
  /** Who this relay is among those of its name: `host:pid:random`. */
  readonly owner: string
  /** Of the lease, while this relay leads. */
  readonly epoch?: number
  /** What the publisher says of itself. */
  readonly publisher: { readonly name: string; readonly [detail: string]: unknown }
  /** With `listen`, while it leads: whether notifications arrive. False: it polls, and nothing else wakes it from outside. */
  readonly listening: boolean
  /** Aggregates whose events wait for one that the broker refused, while this relay leads. */
  readonly heldAggregates?: number
  /** Events acknowledged since this relay object was made. */
  readonly published: number
}
