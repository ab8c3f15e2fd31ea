import { abortCases } from './cases/abort.js'
import { answerCases } from './cases/answers.js'
import { closeCases } from './cases/close.js'
import { contentCases } from './cases/content.js'
import { contractCases } from './cases/contract.js'
import { orderCases } from './cases/order.js'
import { outageCases } from './cases/outages.js'
import { recoveryCases } from './cases/recovery.js'
import { refusalCases } from './cases/refusals.js'
import { type Case, missingFor } from './conformance-case.js'
import { DEFAULT_TIMEOUT_MS, type PublisherHarness } from './harness.js'
import { Rig } from './rig.js'

/** One thing that a publisher must do. */
export interface ConformanceCase {
  readonly name: string
  /** Why the case cannot run: what the harness lacks. */
  readonly skipped?: string
  /** @throws `AssertionError`, with a message that says what the publisher did wrong. */
  run(): Promise<void>
}

const cases: readonly Case[] = [
  ...contractCases,
  ...contentCases,
  ...orderCases,
  ...refusalCases,
  ...outageCases,
  ...answerCases,
  ...abortCases,
  ...recoveryCases,
  ...closeCases,
]

/**
 * What every publisher must pass before a relay can trust it, for a test runner of any kind. Run the cases one after the
 * other. `testPublisher` does it for most.
 *
 * @example
 * ```ts
 * for (const { name, skipped, run } of publisherConformance(harness)) {
 *   if (skipped) console.log(`skipped: ${name}: ${skipped}`)
 *   else await run()
 * }
 * ```
 */
export function publisherConformance<D>(harness: PublisherHarness<D>): ConformanceCase[] {
  return cases.map((one) => {
    const skipped = missingFor(one, harness as PublisherHarness)
    return {
      name: one.name,
      ...(skipped === undefined ? {} : { skipped }),
      run: () => runCase(one, harness as PublisherHarness),
    }
  })
}

async function runCase(one: Case, harness: PublisherHarness): Promise<void> {
  const rig = await Rig.open(harness)
  try {
    await one.run(rig)
  } finally {
    await rig.end()
  }
}

/** `it` of vitest or jest, `test` of node:test. */
export interface TestFunction {
  (name: string, run: () => Promise<void>, timeoutMs: number): unknown
  skip(name: string, run: () => Promise<void>): unknown
}

/**
 * Makes a test of each case of `publisherConformance`. Those that the harness has no means for are skipped, and say why.
 *
 * @example
 * ```ts
 * describe('my publisher', () => testPublisher(it, harness))
 * ```
 */
export function testPublisher<D>(it: TestFunction, harness: PublisherHarness<D>): void {
  const timeoutMs = (harness.timeoutMs ?? DEFAULT_TIMEOUT_MS) + TO_END_MS
  for (const { name, skipped, run } of publisherConformance(harness))
    if (skipped === undefined) it(name, run, timeoutMs)
    else it.skip(`${name} (${skipped})`, run)
}

/** So that a case that gets nowhere ends by itself, and says where it was. */
const TO_END_MS = 15_000
