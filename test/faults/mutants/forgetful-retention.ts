/** Mutants: the statement that deletes events, each time without one of its clauses. */
import { type SQL, StringChunk } from 'drizzle-orm'
import type { EventLog } from '../../../src/event-log/database.js'

interface Forgotten {
  readonly clause: RegExp
  readonly instead: string
}

export const forgotten = {
  'what relays have published': {
    clause: /not exists \(select from unnest[^)]*\)[^)]*\)\)/,
    instead: 'true',
  },
  'all relays but one': {
    clause: /array_agg\(snapshot\)/,
    instead: '(array_agg(snapshot order by name))[1:1]',
  },
  'that a window is open': {
    clause: /array_agg\(snapshot\)/,
    instead: 'array_agg(coalesce(next, snapshot))',
  },
  replays: { clause: /position < coalesce\(replay_from, 9223372036854775807\)/, instead: 'true' },
  'dead letters': { clause: /state <> 'discarded'/, instead: 'false' },
  'which dead letters are resolved': { clause: /where state <> 'discarded'/, instead: '' },
  'the age of events': { clause: /extract.* >/, instead: '1e300 >' },
  'that there may be no relay': { clause: /known is true/, instead: 'known is not false' },
  'that there are other clusters': {
    clause: /cluster = \(select[^)]*\(\)\)/,
    instead: 'true',
  },
  'that there are other kinds of relays': { clause: /kind = 'snapshot'/, instead: 'true' },
  'to delete what was discarded': {
    clause: /where pruned\.position = letter/,
    instead: 'where false and 0 = letter',
  },
  'that others delete, too': { clause: /\(select ours from turn\)/, instead: 'true' },
} satisfies Record<string, Forgotten>

/** The log, where that clause is missing in every statement that has it. */
export function forgetting(log: EventLog, { clause, instead }: Forgotten): EventLog {
  let found = false
  const mutate = (chunk: unknown): void => {
    if (chunk instanceof StringChunk)
      for (const [index, text] of chunk.value.entries()) {
        found ||= clause.test(text)
        chunk.value[index] = text.replace(clause, instead)
      }
    else if (chunk !== null && typeof chunk === 'object' && 'queryChunks' in chunk)
      (chunk as SQL).queryChunks.forEach(mutate)
  }
  const execute = async (statement: SQL) => {
    mutate(statement)
    if (!found) throw new Error(`the statement has no ${clause}`)
    return log.db.execute(statement)
  }
  return { ...log, db: { execute } }
}
