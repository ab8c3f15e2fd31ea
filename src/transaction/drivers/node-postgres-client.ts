/** What we use of node-postgres. */
export interface Client {
  readonly processID?: number | null
  query(config: {
    readonly name?: string
    readonly text: string
    readonly values?: readonly unknown[]
  }): Promise<{ readonly rows: readonly { readonly pid?: string }[] }>
  on(event: string, listener: (connection?: unknown) => void): unknown
  release?(close?: boolean | Error): void
  off(event: string, listener: (connection?: unknown) => void): unknown
}

export interface Pool extends Client {
  readonly totalCount: number
  connect(): Promise<PoolClient>
  /** Of its clients. */
  readonly Client: new (
    options: object,
  ) => OwnClient
  readonly options: object
}

/** A client that is not of a pool. */
export interface OwnClient extends Client {
  on(event: 'notification', listener: (notification: { readonly payload?: string }) => void): unknown
  on(event: string, listener: (value?: unknown) => void): unknown
  connect(): Promise<unknown>
  end(): Promise<unknown>
  /** The native client has none. */
  readonly connection?: { readonly stream?: { destroy?(): unknown } }
}

export interface PoolClient {
  release(close?: boolean | Error): void
}

export function isPool(client: unknown): client is Pool {
  return isClient(client) && 'totalCount' in client && 'connect' in client
}

export function isClient(client: unknown): client is Client {
  return typeof client === 'object' && client !== null && 'query' in client && 'on' in client
}
