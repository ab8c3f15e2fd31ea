/** As much of PromQL as our queries need (Prometheus documentation, "Querying basics"). */

/** Asks for the series of a metric that have these labels. */
export interface Selector {
  readonly metric: string
  readonly labels: Readonly<Record<string, string>>
}

/** What a query asks for. Of alternatives (`state=~"idle|publishing"`) each is a selector; variables stand for anything. */
export function selectorsIn(expr: string): Selector[] {
  const selectors = expr
    .replaceAll(GROUPING, '')
    .matchAll(/\b(?<metric>outbox_\w+)(?:\{(?<matchers>[^}]*)\})?/g)
  return Array.from(selectors, ({ groups }) =>
    labelSetsOf(groups!.matchers ?? '').map((labels) => ({ metric: groups!.metric!, labels })),
  ).flat()
}

/** The labels that a query groups by, or joins on. */
export function labelsIn(expr: string): string[] {
  return Array.from(expr.matchAll(GROUPING), ({ groups }) => groups!.labels!.split(/,\s*/)).flat()
}

const GROUPING = /\b(?:by|on|without|ignoring)\s*\((?<labels>[^)]*)\)/g

function labelSetsOf(text: string): Record<string, string>[] {
  const matchers = [...text.matchAll(/(?<label>\w+)=~?"(?<value>[^"]*)",?/g)]
  if (matchers.map(([matcher]) => matcher).join('') !== text) throw new Error(`cannot read ${text}`)
  return matchers
    .filter(({ groups }) => !groups!.value!.startsWith('$'))
    .map(({ groups }) => groups!.value!.split('|').map((value) => ({ [groups!.label!]: value })))
    .reduce((sets, values) => sets.flatMap((set) => values.map((value) => ({ ...set, ...value }))), [{}])
}
