import type { Gauge } from 'prom-client'
import type { Relay } from '../../relay/relay.js'
import { RELAY_STATES } from '../../relay/relay-status.js'
import { type AnyRegistry, gauge } from './registry.js'

const RELAY_STATE = {
  name: 'outbox_relay_state',
  help: '1 for the state that the relay is in, 0 for the others',
  labelNames: ['relay', 'state'] as const,
}

/** The states of all relays that are observed in a registry. */
export class StateGauge {
  readonly #relays = new Set<Relay>()

  static in(registry: AnyRegistry): StateGauge {
    const found = gauges.get(registry) ?? new StateGauge()
    gauges.set(registry, found)
    gauge(registry, RELAY_STATE, (metric) => found.#collect(metric))
    return found
  }

  /** @returns a function that takes it away. */
  add(relay: Relay): () => void {
    this.#relays.add(relay)
    return () => void this.#relays.delete(relay)
  }

  #collect(metric: Gauge<'relay' | 'state'>): void {
    metric.reset()
    for (const relay of this.#relays) {
      const { name, state: current } = relay.status()
      for (const state of RELAY_STATES) metric.set({ relay: name, state }, state === current ? 1 : 0)
    }
  }
}

const gauges = new WeakMap<AnyRegistry, StateGauge>()
