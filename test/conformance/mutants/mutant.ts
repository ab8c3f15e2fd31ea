import type { Publisher } from 'drizzle-outbox'
import type { ModelBroker } from '../model-broker.js'

/** A publisher that breaks a promise. */
export interface Mutant {
  /** What it does wrong. */
  readonly mutant: string
  readonly publisher: new (broker: ModelBroker, options: { readonly exclusive: boolean }) => Publisher
  /** Made of the model that is fenced. @default false */
  readonly exclusive?: boolean
  /** It ends with the time that a case has, which is made short. @default false */
  readonly endless?: boolean
  /** By which cases of the kit, and what they say. */
  readonly caughtBy: Readonly<Record<string, RegExp>>
}
