import type { Paint } from './style.js'

export interface Column<T> {
  readonly title: string
  readonly align?: 'left' | 'right'
  readonly cell: (row: T) => string
  /** A colour, where a value should be noticed. */
  readonly style?: (row: T) => Parameters<Paint>[0] | undefined
}

/** Rows in columns, under a line of titles: plain enough for `awk`. */
export function renderTable<T>(columns: readonly Column<T>[], rows: readonly T[], paint: Paint): string {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)))
  const widths = columns.map(({ title }, i) =>
    Math.max(title.length, ...cells.map((line) => line[i]?.length ?? 0)),
  )
  const pad = (text: string, i: number) =>
    columns[i]?.align === 'right' ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0)
  const join = (line: readonly string[]) => line.join('  ').trimEnd()
  const head = paint('dim', join(columns.map(({ title }, i) => pad(title, i))))
  const body = rows.map((row, y) =>
    join(
      columns.map(({ style }, x) => {
        const text = pad(cells[y]?.[x] ?? '', x)
        const colour = style?.(row)
        return colour === undefined ? text : paint(colour, text)
      }),
    ),
  )
  return [head, ...body].join('\n')
}

/** Names and values, one a line. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string])[],
  paint: Paint,
): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return fields.map(([name, value]) => `${paint('dim', name.padEnd(width))}  ${value}`).join('\n')
}
