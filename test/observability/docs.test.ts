/** docs/metrics.md says what a scrape has. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, OutboxError } from 'drizzle-outbox'
import { observeRelay, observeWrites } from 'drizzle-outbox/prometheus'
import { Registry } from 'prom-client'
import { expect, it, onTestFinished } from 'vitest'
import { openShop, orderEvents } from '../support/drivers.js'
import { overriding } from '../support/publishers.js'
import { parseScrape } from '../support/scrape.js'

const documented = new URL('../../docs/metrics.md', import.meta.url)

/** Name, type, labels and meaning, as the table has them. */
async function tableOf(heading: string): Promise<string[][]> {
  const text = await readFile(documented, 'utf8')
  const [, section = ''] = text.split(`${heading}\n`)
  const [table = ''] = section.split(/\n#/)
  return Array.from(table.matchAll(/^\| (`.+) \|$/gm), ([, row = '']) => row.split(' | '))
}

it('the table of metrics is that of a scrape', async () => {
  const shop = await openShop('node-postgres')
  onTestFinished(() => shop.close())
  const registry = new Registry()
  const memory = memoryPublisher()
  const refuses = overriding(memory, {
    publish: async (events, options) => {
      const [first, ...others] = events
      if (first?.aggregateId !== 'refused') return memory.publish(events, options)
      const refused = [new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: first.id })]
      return { ...(await memory.publish(others, options)), unacknowledged: [first], refused }
    },
  })
  const relay = createRelay({ db: shop.db, publisher: refuses, maxAttempts: 1 })
  observeWrites(shop.db, { registry })
  observeRelay(relay, { registry })
  for (const id of ['refused', 'published'])
    await shop.db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(id, { total: 1 })))
  await relay.drain()
  await shop.db.execute(sql`analyze outbox_events`)

  const { metrics, samples } = parseScrape(await registry.metrics())
  const labelsOf = (metric: string) => {
    const names = samples
      .filter(({ name }) => name.replace(/_(bucket|sum|count)$/, '') === metric || name === metric)
      .flatMap(({ labels }) => Object.keys(labels))
    return new Set(names.filter((label) => label !== 'le'))
  }
  const scraped = Array.from(metrics, ([name, { type, help }]) => [name, type, labelsOf(name), help])
  const inTable = (await tableOf('## The metrics')).map(([name = '', type, labels = '', meaning]) => [
    name.replaceAll('`', ''),
    type,
    new Set(Array.from(labels.matchAll(/`(\w+)`/g), ([, label]) => label)),
    meaning,
  ])
  const byName = (rows: unknown[][]) => Object.fromEntries(rows.map(([name, ...row]) => [name, row]))
  expect(byName(scraped)).toEqual(byName(inTable))
  expect(scraped).toHaveLength(15)
})

it('what the table of another library names is in it', async () => {
  const names = new Set((await tableOf('## The metrics')).map(([name = '']) => name.replaceAll('`', '')))
  const ours = (await tableOf('### For those who come from go-messaging-outbox')).map(
    ([, here = '']) => /\w+/.exec(here)?.[0] ?? '',
  )
  expect(ours).toHaveLength(4)
  for (const name of ours) expect(names).toContain(name)
})
