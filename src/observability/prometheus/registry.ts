import {
  Counter,
  Gauge,
  Histogram,
  type MetricConfiguration,
  type Registry,
  type RegistryContentType,
  register,
} from 'prom-client'

export interface MetricsOptions {
  /** Your registry of prom-client. @default prom-client's own, `register` */
  readonly registry?: AnyRegistry
}

/** Of either format. */
export type AnyRegistry = Registry<RegistryContentType>

export function registryOf({ registry = register }: MetricsOptions): AnyRegistry {
  return registry
}

/** What a metric is called, and what it says. */
export type Description<L extends string> = Pick<MetricConfiguration<L>, 'name' | 'help' | 'labelNames'>

// Several relays, or databases, may count into one registry: whoever comes first makes the metric.

export function counter<L extends string>(registry: AnyRegistry, description: Description<L>): Counter<L> {
  return find(registry, description) ?? new Counter(within(registry, description))
}

export function histogram<L extends string>(
  registry: AnyRegistry,
  description: Description<L>,
  buckets: number[],
): Histogram<L> {
  return find(registry, description) ?? new Histogram({ ...within(registry, description), buckets })
}

/** @param collect sets its values, whenever the registry is scraped. */
export function gauge<L extends string>(
  registry: AnyRegistry,
  description: Description<L>,
  collect: (gauge: Gauge<L>) => void | Promise<void>,
): Gauge<L> {
  const made: Gauge<L> | undefined = find(registry, description)
  return (
    made ??
    new Gauge({
      ...within(registry, description),
      collect() {
        return collect(this)
      },
    })
  )
}

function find<M>(registry: AnyRegistry, { name }: { readonly name: string }): M | undefined {
  return registry.getSingleMetric(name) as M | undefined
}

function within<D extends object>(registry: AnyRegistry, description: D) {
  return { ...description, registers: [registry as Registry] }
}
