import type { Finding } from '../../publishers/publisher.js'
import { type Paint, visible } from './style.js'
import { plural } from './units.js'

export interface Area {
  readonly name: string
  readonly findings: readonly Finding[]
}

const MARKS = { ok: ['green', '✓'], warning: ['yellow', '!'], error: ['red', '✗'] } as const

export function renderAreas(areas: readonly Area[], paint: Paint): string {
  const width = Math.max(...areas.flatMap(({ findings }) => findings.map(({ check }) => check.length)))
  const line = ({ check, level, message, remedy }: Finding) => {
    const [colour, mark] = MARKS[level]
    const head = `  ${paint(colour, mark)} ${check.padEnd(width)}  ${visible(message)}`
    return remedy === undefined
      ? head
      : `${head}\n${' '.repeat(width + 6)}${paint('bold', `→ ${visible(remedy)}`)}`
  }
  const sections = areas.map(({ name, findings }) => [paint('bold', name), ...findings.map(line)].join('\n'))
  return [...sections, summary(areas, paint)].join('\n\n')
}

function summary(areas: readonly Area[], paint: Paint): string {
  const levels = areas.flatMap(({ findings }) => findings.map(({ level }) => level))
  const errors = levels.filter((level) => level === 'error').length
  const warnings = levels.filter((level) => level === 'warning').length
  if (errors + warnings === 0) return paint('green', `all ${levels.length} checks are in order`)
  return paint(errors > 0 ? 'red' : 'yellow', `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`)
}
