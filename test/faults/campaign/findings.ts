/** What went wrong in a campaign: how much of each kind, with examples. */

/**
 * - `lost`: committed, and not in the log; in the log, and not in a stream
 * - `duplicated`: twice in the log, or in a stream
 * - `outOfOrder`: of its aggregate, not the version after the one before it
 * - `phantom`: in the log or a stream, and not committed
 * - `changed`: in a stream, other than recorded
 * - `astray`: in a stream that is not ours
 * - `unresolved`: a dead letter that nobody has taken care of
 * - `undrained`: a relay that does not come to the end of the log
 * - `crashed`: a process that ended, and nobody had ended it
 */
export type KindOfFinding = keyof typeof noFindings

/** What a campaign is to find. */
export const noFindings = {
  lost: 0,
  duplicated: 0,
  outOfOrder: 0,
  phantom: 0,
  changed: 0,
  astray: 0,
  unresolved: 0,
  undrained: 0,
  crashed: 0,
} as const

export class Findings {
  readonly counts: Record<KindOfFinding, number> = { ...noFindings }
  readonly examples: string[] = []

  note(kind: KindOfFinding, example: string, count = 1): void {
    if (count === 0) return
    if (this.counts[kind] < EXAMPLES) this.examples.push(`${kind}: ${example}`)
    this.counts[kind] += count
  }

  get none(): boolean {
    return this.examples.length === 0
  }
}

/** Of each kind. */
const EXAMPLES = 5
