/** Reads what Prometheus would, strictly: the text format 0.0.4 (Prometheus documentation, "Exposition formats"). */

export interface Scrape {
  readonly metrics: ReadonlyMap<string, { readonly type: string; readonly help: string }>
  readonly samples: readonly Sample[]
  /** The value of the sample with these labels, and no others. */
  value(name: string, labels?: Labels): number | undefined
  /** Of all samples that have these labels, among others. */
  sum(name: string, labels?: Labels): number
}

interface Sample {
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

type Labels = Readonly<Record<string, string>>

export function parseScrape(text: string): Scrape {
  const metrics = new Map<string, { type: string; help: string }>()
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    const comment = /^# (?<keyword>HELP|TYPE) (?<name>\w+) (?<rest>.+)$/.exec(line)?.groups
    if (comment) {
      const { keyword, name, rest } = comment as Record<'keyword' | 'name' | 'rest', string>
      const known = metrics.get(name) ?? { type: '', help: '' }
      metrics.set(name, keyword === 'TYPE' ? { ...known, type: rest } : { ...known, help: rest })
    } else samples.push(parseSample(line))
  }
  const matching = (name: string, labels: Labels) =>
    samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    )
  return {
    metrics,
    samples,
    value: (name, labels = {}) => {
      const count = Object.keys(labels).length
      return matching(name, labels).find((sample) => Object.keys(sample.labels).length === count)?.value
    },
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
  }
}

const LABEL = /(?<label>[a-zA-Z_]\w*)="(?<value>(?:[^"\\\n]|\\["\\n])*)"/g

function parseSample(line: string): Sample {
  const sample = /^(?<name>[a-zA-Z_:][\w:]*)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)?.groups
  if (sample === undefined) throw new Error(`not a sample: ${line}`)
  const { name, labels = '', value } = sample as Record<'name' | 'value', string> & { labels?: string }
  const found = [...labels.matchAll(LABEL)]
  if (found.map(([text]) => text).join() !== labels) throw new Error(`not labels: ${labels}`)
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value)
  if (Number.isNaN(number)) throw new Error(`not a value: ${line}`)
  return {
    name,
    value: number,
    labels: Object.fromEntries(found.map(({ groups }) => [groups!.label!, withoutEscapes(groups!.value!)])),
  }
}

function withoutEscapes(text: string): string {
  return text.replace(/\\(["\\n])/g, (_, character) => (character === 'n' ? '\n' : character))
}
