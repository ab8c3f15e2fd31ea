/** What a client is told when a request fails: a status, a code to go by, and a message for people. */
import { isOutboxError, sqlState } from 'drizzle-outbox'
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { BookingError } from './booking.js'

interface Problem {
  readonly status: 400 | 404 | 409 | 422 | 500 | 503
  readonly error: string
  readonly message: string
}

const STATUS = { unknown: 404, conflict: 409, refused: 422 } as const

export function answerError(error: Error, c: Context): Response {
  const { status, ...problem } = problemOf(error)
  if (status >= 500) console.error(error)
  return c.json(problem, status, status === 503 ? { 'retry-after': '1' } : {})
}

function problemOf(error: Error): Problem {
  if (error instanceof BookingError)
    return { status: STATUS[error.kind], error: error.kind, message: error.message }
  if (error instanceof HTTPException) return { status: 400, error: 'invalid', message: error.message }
  if (sqlState(error) === '23505')
    return { status: 409, error: 'conflict', message: 'there is a booking of this id already' }
  if (isOutboxError(error))
    switch (error.code) {
      case 'ERR_OUTBOX_CONCURRENCY': {
        const message = `it is at version ${error.details.actualVersion}: look again`
        return { status: 409, error: 'outdated', message }
      }
      case 'ERR_OUTBOX_TRANSACTION_LOST':
        return { status: 503, error: 'unavailable', message: 'nothing was changed: try again' }
      case 'ERR_OUTBOX_COMMIT_UNKNOWN':
        return { status: 503, error: 'unavailable', message: 'it may be done: GET the booking to see' }
    }
  return { status: 500, error: 'failed', message: 'it is not your fault' }
}
