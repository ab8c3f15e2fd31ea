import type { DestinationFaults, PublisherFeatures, PublisherHarness } from './harness.js'
import { featuresOf, type Rig } from './rig.js'

/** A promise, and what puts it to the test. */
export interface Case {
  readonly name: string
  readonly needs?: readonly Need[]
  run(rig: Rig): Promise<void>
}

type Fault = keyof DestinationFaults
type Feature = Exclude<keyof PublisherFeatures, 'maxDataBytes'>
export type Need = Fault | Feature

/** Why a case cannot run, if so. */
export function missingFor({ needs = [] }: Case, harness: PublisherHarness): string | undefined {
  const features: Partial<Record<Need, unknown>> = featuresOf(harness)
  const missing = needs
    .filter((need) => !(features[need] ?? harness.faults?.[need as Fault]))
    .map((need) => (need in features ? `features.${need}` : `faults.${need}`))
  return missing.length === 0 ? undefined : `the harness has no ${missing.join(' and ')}`
}
