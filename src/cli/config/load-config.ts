import { existsSync } from 'node:fs'
import { basename, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { OutboxConfig } from '../../config/index.js'
import { UsageError } from '../exit-codes.js'
import { checkConfig } from './check-config.js'

/** What is looked for in the working directory. */
export const CONFIG_FILES = [
  'outbox.config.ts',
  'outbox.config.mts',
  'outbox.config.js',
  'outbox.config.mjs',
] as const

export interface LoadedConfig {
  readonly config: OutboxConfig
  /** For messages, as it was named. */
  readonly file: string
}

/** @param file As the user names it; without one it is looked for. @throws UsageError */
export async function loadConfig(file: string | undefined): Promise<LoadedConfig> {
  const path = file === undefined ? findConfig() : resolve(file)
  const name = relative(process.cwd(), path) || basename(path)
  if (!existsSync(path)) throw new UsageError(`there is no file ${name}`)
  return { config: checkConfig(await importDefault(path, name), name), file: name }
}

function findConfig(): string {
  const found = CONFIG_FILES.find((name) => existsSync(name))
  if (found === undefined)
    throw new UsageError(
      `there is no ${CONFIG_FILES[0]} in ${process.cwd()}: \`npx drizzle-outbox init\` writes one, --config names one elsewhere`,
    )
  return resolve(found)
}

/** TypeScript goes through jiti: Node.js before 22.18 cannot load it, and later ones take no path without extension. */
async function importDefault(path: string, name: string): Promise<unknown> {
  try {
    if (!/\.[cm]?ts$/.test(path)) return (await import(pathToFileURL(path).href)).default
    const { createJiti } = await import('jiti')
    return (await createJiti(pathToFileURL(path).href).import<{ default?: unknown }>(path)).default
  } catch (error) {
    // With the stack: it is the user's own code that failed.
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error)
    throw new UsageError(`${name} cannot be loaded: ${reason}`, { cause: error })
  }
}
