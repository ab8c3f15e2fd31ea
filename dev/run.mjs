/**
 * `node dev/run.mjs test|demo|example:worker|faults [arguments]`, on a clone as git made it: installs what is missing,
 * then runs the task. Imports nothing that has to be installed first.
 */
import { fileURLToPath } from 'node:url'
import { installDependencies } from './install-dependencies.mjs'
import { dieWithParent, runToEnd } from './run-to-end.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const tasks = {
  test: ['node_modules/vitest/vitest.mjs', 'run'],
  demo: ['--import', 'tsx', 'dev/demo/main.ts'],
  'example:worker': ['--import', 'tsx', 'dev/worker-example/main.ts'],
  faults: ['--import', 'tsx', 'test/faults/campaign/main.ts'],
}

const [task, ...args] = process.argv.slice(2)
if (!Object.hasOwn(tasks, task)) fail(`Usage: node dev/run.mjs ${Object.keys(tasks).join('|')} [arguments]`)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`This needs Node.js 20.19 or newer; here it is ${process.versions.node}.`)
}

await installDependencies(root).catch((error) => fail(error.message))
const { code, signal } = await runToEnd(
  process.execPath,
  ['--import', dieWithParent, ...tasks[task], ...args],
  {
    cwd: root,
    env: { ...process.env, DIE_WITH_PARENT: `${process.pid}` },
    stdio: 'inherit',
  },
)
if (signal) process.kill(process.pid, signal)
else process.exitCode = code

function fail(message) {
  console.error(message)
  process.exit(1)
}
