/** The last word on a run. */
import type { Findings } from './checker.js'
import type { Report } from './report.js'
import type { Paint } from './text.js'

const SHOWN = 5

export function renderVerdict({ ok }: Report, findings: Findings, paint: Paint): string {
  if (ok)
    return `${paint('green', '✓')} Every committed event arrived once, in order and unchanged; nothing rolled back did.`
  const faults = Object.values(findings).flat()
  const more = faults.length > SHOWN ? [`  … and ${faults.length - SHOWN} more`] : []
  const lines = faults.slice(0, SHOWN).map((fault) => `  ${fault}`)
  return [...lines, ...more, '', `${paint('red', '✗')} The outbox did not keep its promises.`].join('\n')
}
