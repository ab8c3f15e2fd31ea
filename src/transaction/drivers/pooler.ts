import { sqlState } from '../../event-log/database.js'

/**
 * Finds out where connections go straight to the server. A pooler in between, such as PgBouncer, gives each transaction
 * another server connection, where a prepared statement is not known, or another one has its name. The process id that
 * a connection was told as it began is then not the one that a query tells.
 */
export class PoolerDetection {
  /** By connection, as long as it was told the same. */
  readonly #known = new WeakMap<object, { readonly told: number; readonly direct: Promise<boolean> }>()

  /** @param ask The process id, by a query. Asked once for each connection. */
  async isDirect(
    connection: object,
    told: number | null | undefined,
    ask: () => Promise<string | undefined>,
  ): Promise<boolean> {
    if (typeof told !== 'number') return false
    const known = this.#known.get(connection)
    if (known?.told === told) return known.direct
    const direct = ask().then((pid) => pid === String(told))
    this.#known.set(connection, { told, direct })
    direct.catch(() => this.#known.delete(connection)) // the caller hears of it
    return direct
  }

  /** Prepared statements have gone from a connection (`discard all`), or turned out to be another's. */
  distrust(connection: object, told: number | null | undefined, error: unknown): void {
    if (typeof told === 'number' && STATEMENT_UNKNOWN.has(sqlState(error) ?? ''))
      this.#known.set(connection, { told, direct: Promise.resolve(false) })
  }
}

/** Invalid SQL statement name, duplicate prepared statement. */
const STATEMENT_UNKNOWN = new Set(['26000', '42P05'])

export const ASK_PROCESS_ID = 'select pg_backend_pid()::text as pid'
