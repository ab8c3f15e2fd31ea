/** Runs a program: again where it asks for that, or where somebody else was faster with a checked aggregate. */
import { isOutboxError } from 'drizzle-outbox'
import { sqlState } from '../../../src/event-log/database.js'
import type { Db } from '../../support/outbox-databases.js'
import { Job, jobEvents } from './jobs.js'
import type { Program } from './program.js'
import { RecordOfAttempt } from './record-of-attempt.js'
import { Again, Undo, Walk } from './walk.js'

export interface Outcome {
  readonly program: Program
  readonly attempts: readonly RecordOfAttempt[]
  /** What must not happen, whatever is in the tables. */
  readonly surprises: readonly string[]
}

const CONFLICTS = 2

export async function runProgram(db: Db, program: Program): Promise<Outcome> {
  const attempts: RecordOfAttempt[] = []
  const surprises: string[] = []
  const jobs = program.aggregates.map(({ id, shared, checked, before }) => {
    if (checked && shared) return undefined // nobody knows its version yet
    const job = new Job(id, checked ? 0 : undefined)
    for (let n = 0; n < before; n++) job.do(program.name, 'before')
    return job
  })
  const known = jobEvents.done(`${program.name}/known`, { program: program.name, mark: 'known' })

  let conflicts = 0
  for (let attempt = 0; attempt <= program.retries + conflicts; attempt++) {
    const record = new RecordOfAttempt()
    attempts.push(record)
    const walk = new Walk(program, attempt, record, jobs, known)
    const last = attempt === program.retries + conflicts
    try {
      const result = await db.transaction((tx) => walk.run(tx, last ? program.ends : 'again'))
      record.resolved = true
      if (result !== attempt) surprises.push(`resolved with ${result}, not ${attempt}`)
      if (!walk.returned) surprises.push('resolved though the callback threw')
    } catch (error) {
      if (walk.returned && !walk.mayFail) surprises.push(`rejected for nothing: ${error}`)
      if (isOutboxError(error) && error.code === 'ERR_OUTBOX_CONCURRENCY') {
        if (error.details.actualVersion === error.details.expectedVersion) surprises.push(String(error))
        if (conflicts < CONFLICTS) conflicts++
        jobs.forEach((_, index) => {
          if (program.aggregates[index]!.checked) jobs[index] = undefined
        })
      } else if (!isExpected(error)) surprises.push(`rejected with ${describeError(error)}`)
    }
    if (record.resolved) break
  }
  return { program, attempts, surprises }
}

const DIVISION_BY_ZERO = '22012'
const IN_FAILED_TRANSACTION = '25P02'

function isExpected(error: unknown): boolean {
  if (error instanceof Undo || error instanceof Again) return true
  return [DIVISION_BY_ZERO, IN_FAILED_TRANSACTION].includes(sqlState(error) ?? '')
}

function describeError(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `, because of ${error.cause}` : ''
  return `${error}${cause}`
}
