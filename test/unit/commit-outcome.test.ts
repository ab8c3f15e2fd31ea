import { describe, expect, it } from 'vitest'
import { readOutcome } from '../../src/event-log/commit-outcome.js'
import { resolveTables } from '../../src/event-log/tables.js'

const trace = {
  transactionId: '700',
  eventId: '00000000-0000-4000-8000-000000000000',
  aggregateType: 'order',
  aggregateId: '1',
  aggregateVersion: 3,
}

/** A database that answers so: a standby, or one that crashed and gives ids out again, is not to be had for a test. */
function outcome(
  status: string | null | Error,
  look: Partial<Record<'stored' | 'standby' | 'hidden' | 'head', string>>,
) {
  const answers = [
    [{ status }],
    [{ stored: 'false', standby: 'false', hidden: 'false', head: null, ...look }],
  ]
  const execute = async () => {
    if (status instanceof Error && answers.length === 2) {
      answers.shift()
      throw status
    }
    return answers.shift()
  }
  return readOutcome({ db: { execute }, tables: resolveTables() }, trace)
}
const future = Object.assign(new Error('transaction ID 700 is in the future'), { code: '22023' })

describe('the outcome of a COMMIT', () => {
  it.each([
    ['is open while the transaction is', 'in progress', {}, undefined],
    ['is that it committed, where its event is', 'committed', { stored: 'true' }, true],
    ['is that, on a standby too', null, { stored: 'true', standby: 'true' }, true],
    ['is open on a standby that has not heard of it', 'aborted', { standby: 'true' }, undefined],
    ['is open on a standby whose ids are not that far', future, { standby: 'true' }, undefined],
    ['is that it rolled back', 'aborted', { head: '5' }, false],
    ['is that, when its id was lost in a crash', future, { head: '5' }, false],
    [
      'is that, when its id went to another and its aggregate is not that far',
      'committed',
      { head: '2' },
      false,
    ],
    ['is open when its event may have been deleted', 'committed', { head: '3' }, undefined],
  ] as const)('%s', async (_, status, look, committed) => {
    expect(await outcome(status, look)).toBe(committed)
  })

  it('is refused where row-level security would hide the event', async () => {
    await expect(outcome('committed', { hidden: 'true' })).rejects.toMatchObject({
      code: 'ERR_OUTBOX_DATABASE_UNFIT',
    })
  })
})
