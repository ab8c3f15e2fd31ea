/** The README's publisher, in a project of its own that has no test runner but that of Node.js. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { snippetsOf } from '../../dev/check/snippets.mjs'
import { createConsumer, runTypeScript } from './consumer.js'
import { packPackage, repository } from './packed.js'

it('the publisher of the README passes the kit, in node:test', async () => {
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  const snippets = snippetsOf(readme).filter(({ file }) => file?.startsWith('lines.'))
  expect(snippets.map(({ file }) => file)).toEqual(['lines.ts', 'lines.test.ts'])
  const files = Object.fromEntries(snippets.map(({ file, code }) => [file!, code]))
  const consumer = await createConsumer(await packPackage(), { drizzle: '0.45', files })
  try {
    const report = await consumer.node([...runTypeScript, '--test', '--test-reporter=tap', 'lines.test.ts'])
    const count = (what: string) => Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(report)?.[1])
    expect(count('fail')).toBe(0)
    expect(count('pass')).toBeGreaterThan(20)
    expect(report).toMatch(/^ +ok .* \(the harness has no faults\.lose\) # SKIP$/m)
  } finally {
    await consumer.remove()
  }
}, 180_000)
