/** The report as a table. */
import type { Report } from './report.js'
import { count, milliseconds, type Paint } from './text.js'

type Row = readonly [label: string, value: string, note: string, fault?: boolean]

export function renderTable(report: Report, paint: Paint): string {
  const groups = groupsOf(report)
  const rows = groups.flat()
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => String(row[column]).length)))
  const [label = 0, value = 0, note = 0] = widths
  const rule = (left: string, middle: string, right: string) =>
    paint('dim', left + widths.map((width) => '─'.repeat(width + 2)).join(middle) + right)
  const side = paint('dim', '│')
  const line = ([name, number, remark, fault]: Row) => {
    const cells = [
      name.padEnd(label),
      paint(fault ? 'red' : 'bold', number.padStart(value)),
      paint('dim', remark.padEnd(note)),
    ]
    return cells.map((cell) => `${side} ${cell} `).join('') + side
  }
  return [
    rule('┌', '┬', '┐'),
    groups.map((group) => group.map(line).join('\n')).join(`\n${rule('├', '┼', '┤')}\n`),
    rule('└', '┴', '┘'),
  ].join('\n')
}

function groupsOf(report: Report): Row[][] {
  const { rule, statement, concurrency } = report.rolledBackBy
  const [acknowledged, read] =
    report.destination === 'memory'
      ? ['acknowledged by the memory publisher', 'found in its memory']
      : [`acknowledged by ${report.destination}`, 'read back by a consumer']
  const fault = (label: string, events: number, note: string): Row => [label, count(events), note, events > 0]
  return [
    [
      ['Transactions committed', count(report.transactionsCommitted), `${count(report.orders)} orders`],
      [
        'Rolled back on purpose',
        count(report.transactionsRolledBack),
        'after events were recorded, because of',
      ],
      ['  over the credit limit', count(rule), 'a rule of the shop'],
      ['  a double click', count(statement), 'a statement fails'],
      ['  an outdated page', count(concurrency), 'a concurrency conflict'],
    ],
    [
      ['Events stored', count(report.eventsStored), 'in the log, by those transactions'],
      ['Events published', count(report.eventsPublished), acknowledged],
      ['Events received', count(report.eventsReceived), read],
    ],
    [
      fault('Missing', report.missing, 'committed, and not received'),
      fault('Duplicated', report.duplicated, 'received more than once'),
      fault('Out of order', report.outOfOrder, 'after a later event of the same order'),
      fault('Changed', report.changed, 'received other than stored'),
      fault('Phantoms', report.phantoms, 'of no committed transaction'),
    ],
    [
      ['Latency p50', milliseconds(report.latencyP50Ms), 'from commit to received'],
      ['Latency p99', milliseconds(report.latencyP99Ms), 'with all of it in one process'],
      ['Events per second', count(report.eventsPerSecond), `over ${report.seconds.toFixed(1)} s`],
    ],
  ]
}
