import { describe, expect, it } from 'vitest'
import { checkConfig } from '../../src/cli/config/check-config.js'

const valid = { db: () => {}, publisher: () => {} }

describe('checkConfig', () => {
  it.each([
    ['nothing', undefined, 'must have a default export'],
    ['no db', { publisher: () => {} }, ': db must be a function that returns what withOutbox'],
    [
      'a db that was made',
      { ...valid, db: {} },
      ': db must be a function .+ or \\{ db, close \\}; it is \\{\\}',
    ],
    ['a db that is made', { ...valid, db: Promise.resolve() }, 'it is a promise'],
    ['no publisher', { db: () => {} }, ': publisher must be a function that returns a publisher'],
    [
      'an unknown field',
      { ...valid, relais: {} },
      ': relais: there is no such field; there are db, publisher,',
    ],
    [
      'a name that is none',
      { ...valid, relay: { name: 5 } },
      'relay.name must be text, such as "shop"; it is 5',
    ],
    [
      'an unknown option',
      { ...valid, relay: { batchsize: 5 } },
      'relay.batchsize: .+ there are name, batchSize,',
    ],
    [
      'a number as text',
      { ...valid, relay: { leaseMs: '5' } },
      'relay.leaseMs must be a number .+ it is "5"',
    ],
    ['no retention', { ...valid, relay: { retentionMs: true } }, 'retentionMs must be a number .+, or false'],
    ['metrics without a port', { ...valid, metrics: {} }, 'metrics.port must be a number .+; it is missing'],
  ])('says what is wrong with %s', (_, config, reason) => {
    expect(() => checkConfig(config, 'outbox.config.ts')).toThrow(
      new RegExp(`^outbox\\.config\\.ts.*${reason}`),
    )
  })

  it('takes what is right', () => {
    const config = {
      ...valid,
      relay: { name: 'shop', retentionMs: false, listen: true },
      metrics: { port: 0 },
    }
    expect(checkConfig(config, 'outbox.config.ts')).toBe(config)
  })
})
