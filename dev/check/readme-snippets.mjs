/** Compiles the TypeScript of README.md, of docs and of the examples. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { snippetsOf } from './snippets.mjs'

const root = new URL('../../', import.meta.url)
const folder = new URL('.snippets/', root) // inside the repository, so that packages resolve
const documents = ['README.md', 'docs/cli.md', 'docs/metrics.md', 'examples/quickstart/README.md']

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder)
let snippets = 0
for (const document of documents) {
  const text = readFileSync(new URL(document, root), 'utf8')
  for (const { file, code, line } of snippetsOf(text)) {
    writeFileSync(new URL(file ?? `${document.replaceAll(/\W/g, '-')}-line-${line}.ts`, folder), code)
    snippets++
  }
}
const config = { extends: '../tsconfig.json', compilerOptions: { noUnusedLocals: false }, include: ['*.ts'] }
writeFileSync(new URL('tsconfig.json', folder), JSON.stringify(config))
const { status } = spawnSync('npx', ['tsc', '-p', fileURLToPath(folder)], { stdio: 'inherit' })
rmSync(folder, { recursive: true, force: true })
if (status !== 0) process.exit(1)
console.log(`${snippets} snippets compile`)
