/** The alerts and the dashboard of ops/ ask for series that workers have, and each alert has its paragraph. */
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { createRelay, memoryPublisher, OutboxError } from 'drizzle-outbox'
import { observeRelay, observeWrites } from 'drizzle-outbox/prometheus'
import { Registry } from 'prom-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { openShop, orderEvents } from '../support/drivers.js'
import { overriding } from '../support/publishers.js'
import { parseScrape, type Scrape } from '../support/scrape.js'
import { labelsIn, type Selector, selectorsIn } from './promql.js'

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook_url: string }
}

const textOf = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), 'utf8')
const { groups } = parse(await textOf('ops/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap((group) => group.rules)
const dashboard = JSON.parse(await textOf('ops/grafana/drizzle-outbox.json'))
const panels: { title: string; targets: { expr: string }[] }[] = dashboard.panels

/** Of a relay that has published an event and parked another. */
let scrape: Scrape
beforeAll(async () => {
  const shop = await openShop('node-postgres')
  const registry = new Registry()
  const memory = memoryPublisher()
  const refuses = overriding(memory, {
    publish: async (events, options) => {
      const refused = events.filter(({ aggregateId }) => aggregateId === 'refused')
      const { duplicates } = await memory.publish(
        events.filter((event) => !refused.includes(event)),
        options,
      )
      const errors = refused.map(
        ({ id }) => new OutboxError('ERR_OUTBOX_EVENT_REFUSED', 'no', { eventId: id }),
      )
      return { duplicates, unacknowledged: refused, refused: errors }
    },
  })
  const relay = createRelay({ db: shop.db, publisher: refuses, maxAttempts: 1 })
  observeWrites(shop.db, { registry })
  observeRelay(relay, { registry })
  for (const id of ['refused', 'published'])
    await shop.db.transaction(async (tx) => tx.outbox.add(orderEvents.placed(id, { total: 1 })))
  await relay.drain()
  await shop.db.execute(sql`analyze outbox_events`)
  scrape = parseScrape(await registry.metrics())
  await shop.close()
})

/** What is asked for, and is not there. */
function missing(expr: string): (Selector | string)[] {
  const selectors = selectorsIn(expr)
  const found = selectors.map((selector) => scrape.samples.filter((sample) => isOf(selector, sample)))
  // Prometheus adds `instance`.
  const labels = new Set(['instance', ...found.flat().flatMap((sample) => Object.keys(sample.labels))])
  return [
    ...(selectors.length === 0 ? [expr] : []),
    ...selectors.filter((_, i) => found[i]?.length === 0),
    ...labelsIn(expr).filter((label) => !labels.has(label)),
  ]
}

function isOf(selector: Selector, { name, labels }: Scrape['samples'][number]): boolean {
  const isAsked = ([label, value]: [string, string]) => labels[label] === value
  return name === selector.metric && Object.entries(selector.labels).every(isAsked)
}

it('what is missing is noticed', () => {
  expect(missing('max by (relay) (outbox_pending_events{relay="default"}) > 0')).toEqual([])
  expect(missing('max by (relai) (outbox_pending_events)')).toEqual(['relai'])
  expect(missing('rate(outbox_pending[5m])')).toEqual([{ metric: 'outbox_pending', labels: {} }])
  expect(missing('outbox_relay_state{relay=~"$relay",state=~"idle|publihsing"}')).toEqual([
    { metric: 'outbox_relay_state', labels: { state: 'publihsing' } },
  ])
  expect(missing('up == 0')).toEqual(['up == 0'])
})

describe('an alert', () => {
  it.each(rules)('$alert asks for what there is', ({ expr }) => {
    expect(missing(expr)).toEqual([])
  })

  it.each(rules)('$alert says how bad it is, of which relay, and leads to its paragraph', async (rule) => {
    expect(['critical', 'warning']).toContain(rule.labels.severity)
    const isOfRelay = /by \(relay\)/.test(rule.expr)
    expect(rule.annotations.summary.includes('{{ $labels.relay }}')).toBe(isOfRelay)
    const [file = '', anchor] = rule.annotations.runbook_url.split('#')
    expect(anchor).toBe(rule.alert.toLowerCase())
    expect(await textOf(file)).toContain(`\n### ${rule.alert}\n`)
  })

  it('is there for each paragraph', async () => {
    const text = await textOf('docs/operations.md')
    const paragraphs = Array.from(text.matchAll(/^### (Outbox\w+)$/gm), ([, name]) => name)
    expect(paragraphs).toEqual(rules.map(({ alert }) => alert))
    for (const [name] of text.matchAll(/`Outbox\w+`/g)) expect(paragraphs).toContain(name.slice(1, -1))
  })
})

describe('the dashboard', () => {
  it.each(panels)('asks for what there is in "$title"', ({ targets }) => {
    expect(targets.flatMap(({ expr }) => missing(expr))).toEqual([])
  })

  it('shows every metric', () => {
    const shown = new Set(
      panels.flatMap(({ targets }) =>
        targets.flatMap(({ expr }) =>
          selectorsIn(expr).map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, '')),
        ),
      ),
    )
    expect([...shown].sort()).toEqual([...scrape.metrics.keys()].sort())
  })

  it('has a variable for relays', () => {
    const { query } = dashboard.templating.list.find(({ name }: { name: string }) => name === 'relay').query
    const [, metric = '', label = ''] = /^label_values\((\w+), (\w+)\)$/.exec(query) ?? []
    expect(missing(`max by (${label}) (${metric})`)).toEqual([])
  })
})
