import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RecordedEvent } from '../../events/domain-event.js'
import { type Expected, faultsOf } from './check-stored.js'
import { Deadline } from './deadline.js'
import { listOf } from './describe-events.js'
import {
  DEFAULT_TIMEOUT_MS,
  type DestinationFaults,
  type PublisherFeatures,
  type PublisherHarness,
  type Restore,
  type StoredEvent,
} from './harness.js'
import { SampleLog } from './sample-log.js'
import { acknowledgedOf, type Page, TestedPublisher } from './tested-publisher.js'

/** What a case has at hand: a destination, its faults, publishers for it, and a log to publish. */
export class Rig {
  readonly log = new SampleLog()
  readonly deadline: Deadline
  readonly features: PublisherFeatures
  readonly #harness: PublisherHarness
  readonly #destination: unknown
  readonly #handedOver = new Set<string>()
  readonly #publishers: TestedPublisher[] = []
  readonly #others: Rig[] = []
  readonly #restores: (() => Promise<void>)[] = []

  private constructor(harness: PublisherHarness, destination: unknown) {
    this.#harness = harness
    this.#destination = destination
    this.deadline = new Deadline(harness.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    this.features = featuresOf(harness)
  }

  static async open(harness: PublisherHarness): Promise<Rig> {
    return new Rig(harness, await harness.open())
  }

  /** For another destination beside this one. */
  async another(): Promise<Rig> {
    const other = await Rig.open(this.#harness)
    this.#others.push(other)
    return other
  }

  /** A publisher that is not prepared. */
  publisher(): TestedPublisher {
    const publisher = this.#harness.publisher(this.#destination)
    const tested = new TestedPublisher(publisher, this.deadline, this.#handedOver)
    this.#publishers.push(tested)
    return tested
  }

  /** A publisher that a relay has begun to lead with. */
  async start(): Promise<TestedPublisher> {
    const publisher = this.publisher()
    await publisher.start()
    return publisher
  }

  refuse(event: RecordedEvent): RecordedEvent {
    const refused = this.#faults.refuse(event, this.#destination)
    assert.equal(refused.id, event.id, 'faults.refuse must keep the id')
    return refused
  }

  outage(): Promise<() => Promise<void>> {
    return this.#undoable(this.#faults.outage(this.#destination))
  }

  holdAnswers(): Promise<() => Promise<void>> {
    return this.#undoable(this.#faults.holdAnswers(this.#destination))
  }

  emptyAnswers(): Promise<() => Promise<void>> {
    return this.#undoable(this.#faults.emptyAnswers(this.#destination))
  }

  async cut(): Promise<void> {
    await this.#faults.cut(this.#destination)
  }

  async lose({ id }: RecordedEvent): Promise<void> {
    await this.#faults.lose(this.#destination, id)
  }

  async forget(): Promise<void> {
    await this.#faults.forget(this.#destination)
  }

  get #faults(): Required<DestinationFaults> {
    return this.#harness.faults as Required<DestinationFaults> // a case names those that it needs
  }

  /** Undone once: by the case, or when it is over. */
  async #undoable(fault: Restore | Promise<Restore>): Promise<() => Promise<void>> {
    const restore = await fault
    let restored: Promise<void> | undefined
    const once = () => {
      restored ??= Promise.resolve(restore())
      return restored
    }
    this.#restores.push(once)
    return once
  }

  async stored(): Promise<readonly StoredEvent[]> {
    return this.#harness.read(this.#destination)
  }

  /** Waits until the destination holds anything. */
  async untilStored(): Promise<void> {
    while ((await this.stored()).length === 0) {
      this.deadline.check('waiting for the destination to hold anything')
      await sleep(5)
    }
  }

  /** The destination holds these events, and nothing else. */
  async expectStored(events: readonly RecordedEvent[]): Promise<void> {
    await this.#expect({ events, required: events })
  }

  /** It holds what was acknowledged, and of the rest perhaps some, but nothing without what precedes it. */
  async expectAcknowledged(...pages: readonly Page[]): Promise<void> {
    const events = pages.flatMap((page) => page.events)
    await this.#expect({ events, required: pages.flatMap(acknowledgedOf) })
  }

  async #expect(expected: Expected): Promise<void> {
    const faults = faultsOf(await this.stored(), expected, this.features)
    assert.ok(faults.length === 0, `what the destination holds is wrong: ${listOf(faults, '; ')}`)
  }

  async end(): Promise<void> {
    for (const other of this.#others) await other.end()
    for (const restore of this.#restores) await restore()
    const patience = new Deadline(END_MS)
    for (const { publisher } of this.#publishers)
      await patience.settled('close', publisher.close()).catch(() => {}) // what became of it the case has seen
    await this.#harness.remove?.(this.#destination)
  }
}

export function featuresOf({ features }: PublisherHarness): PublisherFeatures {
  return {
    deduplicates: true,
    recovers: true,
    cloudEvents: true,
    totalOrder: false,
    fences: false,
    inFlight: undefined,
    maxDataBytes: 512 * 1024,
    ...features,
  }
}

const END_MS = 5000
