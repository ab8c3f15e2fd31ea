/** The kit, tried on publishers that are known to be wrong: each must be found out, and every case must find one. */
import type { Publisher } from 'drizzle-outbox'
import { type PublisherHarness, publisherConformance } from 'drizzle-outbox/testing'
import { describe, expect, it } from 'vitest'
import { memoryHarness, modelHarness } from './harnesses.js'
import { abortMutants } from './mutants/aborts.js'
import { answerMutants } from './mutants/answers.js'
import { availabilityMutants } from './mutants/availability.js'
import { closingMutants } from './mutants/closing.js'
import { contentMutants } from './mutants/contents.js'
import { orderMutants } from './mutants/order.js'
import { outcomeMutants } from './mutants/outcomes.js'
import { recoveryMutants } from './mutants/recovery.js'
import { refusalMutants } from './mutants/refusals.js'

const mutants = [
  ...contentMutants,
  ...orderMutants,
  ...refusalMutants,
  ...answerMutants,
  ...outcomeMutants,
  ...abortMutants,
  ...recoveryMutants,
  ...closingMutants,
  ...availabilityMutants,
]

function caseOf<D>(harness: PublisherHarness<D>, name: string) {
  const found = publisherConformance(harness).find((one) => one.name === name)
  if (found === undefined || found.skipped !== undefined) throw new Error(`no such case: ${name}`)
  return found
}

describe.each(mutants)(
  'a publisher that $mutant',
  ({ publisher: Mutant, exclusive = false, endless = false, caughtBy }) => {
    it.each(Object.entries(caughtBy))('is found out where a publisher %s', async (name, message) => {
      const options = { exclusive, timeoutMs: endless ? 2000 : 30_000 }
      const harness = modelHarness((broker) => new Mutant(broker, { exclusive }), options)
      await expect(caseOf(harness, name).run()).rejects.toThrow(message)
    })
  },
)

it('every case of the kit finds one of them', () => {
  const names = publisherConformance(modelHarness()).map(({ name }) => name)
  const finding = new Set(mutants.flatMap(({ caughtBy }) => Object.keys(caughtBy)))
  expect(names.filter((name) => !finding.has(name))).toEqual([])
})

it('a memory publisher that keeps order in aggregates alone is found out by a harness that promises more', async () => {
  const sorting = (memory: Publisher): Publisher => ({
    ...memory,
    publish: (events, options) =>
      memory.publish(
        events.toSorted((a, b) => (a.aggregateId < b.aggregateId ? -1 : 1)),
        options,
      ),
  })
  const name = 'keeps 1000 events of one aggregate in order, and of three'
  const harness = { ...memoryHarness, publisher: sorting }
  await expect(caseOf(harness, name).run()).rejects.toThrow(/is stored after a later event/)
  const weaker = { ...harness, features: { ...harness.features, totalOrder: false } }
  await caseOf(weaker, name).run()
})
