/** Metrics for Prometheus. Needs the peer dependency `prom-client`. */
export { observeRelay } from './observe-relay.js'
export { observeWrites } from './observe-writes.js'
export type { MetricsOptions } from './registry.js'
