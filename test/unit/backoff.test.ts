import { expect, it } from 'vitest'
import { Backoff } from '../../src/relay/backoff.js'

it('doubles with every failure, up to the longest, by half at random', () => {
  const backoff = new Backoff(100, 1000)
  for (const full of [100, 200, 400, 800, 1000, 1000]) {
    const pause = backoff.fail()
    expect(pause).toBeGreaterThanOrEqual(full / 2)
    expect(pause).toBeLessThanOrEqual(full)
  }
})

it('is short again in a hurry, which forgets no failure, and after a success, which forgets all', () => {
  const backoff = new Backoff(100, 1000)
  for (let n = 0; n < 5; n++) backoff.fail()
  backoff.hurry()
  expect(backoff.fail()).toBeLessThanOrEqual(100)
  expect(backoff.failures).toBe(6)
  backoff.succeed()
  expect(backoff.fail()).toBeLessThanOrEqual(100)
  expect(backoff.failures).toBe(1)
})
