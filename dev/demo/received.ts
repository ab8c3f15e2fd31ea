/** An event as it came out at the far end. */
export interface Received {
  readonly id: string
  readonly orderId: string
  readonly version: number
  readonly type: string
  readonly data: unknown
  /** Milliseconds of the monotonic clock. */
  readonly at: number
}
