import { createHash } from 'node:crypto'
import { type SQL, sql } from 'drizzle-orm'
import { PgDialect } from 'drizzle-orm/pg-core'

/**
 * A statement that is sent often, written with `sql.placeholder(…)`. Its text is made once; it has a name, under which
 * a driver may prepare it.
 */
export class Statement {
  /** Of the text, so that no two texts share one on a connection: other tables, another version of this library. */
  readonly name: string
  readonly text: string
  /** The text around the parameters. */
  readonly #pieces: readonly string[]
  readonly #parameters: readonly string[]

  constructor(template: SQL) {
    const { sql: text, params } = toQuery.sqlToQuery(template)
    this.#pieces = text.split(PARAMETER)
    this.#parameters = params.map((parameter) => (parameter as { readonly name: string }).name)
    this.text = this.#pieces.reduce((before, piece, i) => `${before}$${i}${piece}`)
    this.name = `outbox_${createHash('sha256').update(this.text).digest('hex').slice(0, 16)}`
  }

  bind(values: Readonly<Record<string, string | null>>): BoundStatement {
    const params = this.#parameters.map((name) => values[name] as string | null)
    return { name: this.name, text: this.text, params, toSQL: () => interpolate(this.#pieces, params) }
  }
}

/** In place of `$1`, which the name of a table may hold. */
const PARAMETER = '\0'
const toQuery = Object.assign(new PgDialect(), { escapeParam: () => PARAMETER })

export interface BoundStatement {
  readonly name: string
  readonly text: string
  readonly params: readonly (string | null)[]
  /** For drivers that can only be reached through Drizzle. */
  toSQL(): SQL
}

function interpolate([head = '', ...tail]: readonly string[], params: readonly (string | null)[]): SQL {
  return sql.join([sql.raw(head), ...tail.flatMap((piece, i) => [sql`${params[i]}`, sql.raw(piece)])])
}
