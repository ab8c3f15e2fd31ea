/** The kit passes a publisher that keeps its promises, which the mutants are made of. */
import { testPublisher } from 'drizzle-outbox/testing'
import { describe, it } from 'vitest'
import { modelHarness } from './harnesses.js'

describe('a model', () => testPublisher(it, modelHarness()))
describe('a model that is fenced', () => testPublisher(it, modelHarness(undefined, { exclusive: true })))
