/**
 * Clears up after a process that may die at any moment, of anything: `kill -9` included.
 *
 * Reads `+directory` and `-directory` lines. When its input closes, because the process that held the other end
 * is gone, it sweeps the directories that are still registered. With directories as arguments it sweeps those.
 */
import { createInterface } from 'node:readline'
import { sweep } from './sweep.mjs'

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {})

const directories = new Set(process.argv.slice(2))
if (directories.size === 0) {
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.startsWith('+')) directories.add(line.slice(1))
    else directories.delete(line.slice(1))
  }
}
await Promise.all([...directories].map(sweep))
