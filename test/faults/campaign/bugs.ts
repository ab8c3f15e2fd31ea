/** Mistakes to seed into the product: a campaign is trusted because it finds them. */

export interface Bug {
  readonly name: string
  /** In files below `src`, each of which must have `find` once. */
  readonly changes: readonly { readonly file: string; readonly find: string; readonly replace: string }[]
}

export const bugs: readonly Bug[] = []
