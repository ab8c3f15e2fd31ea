/** The relays of one name: one leads, the others stand by, and whoever ends is started again. */
import { EventEmitter } from 'node:events'
import type { Ordering } from '../publishing/campaign.js'
import type { RelayProgramOptions } from './programs/relay.js'
import { RelaySlot } from './relay-slot.js'
import type { Site } from './site.js'

export interface CrewOptions extends Omit<RelayProgramOptions, 'databaseUrl' | 'natsUrl'> {
  readonly ordering: Ordering
}

interface CrewEvents {
  /** Some relay leads from then on. */
  readonly leads: [at: number, slot: RelaySlot]
  /** The first acknowledgement that a relay has got since it leads. */
  readonly acknowledged: [at: number]
}

export class Crew extends EventEmitter<CrewEvents> {
  readonly stream: string
  readonly ordering: Ordering
  readonly leaseMs: number
  readonly publishTimeoutMs: number
  readonly slots: readonly RelaySlot[]
  readonly figures = { acknowledged: 0, deduplicated: 0, peakBytes: 0, crashes: [] as string[] }
  /** What relays paused for, and how often: numbers and names are left out. */
  readonly pauses = new Map<string, number>()
  #leader: RelaySlot | undefined
  #epoch = 0
  #firstIsOut = false

  private constructor(
    { stream, ordering, leaseMs, publishTimeoutMs }: CrewOptions,
    slots: readonly RelaySlot[],
  ) {
    super()
    this.stream = stream
    this.ordering = ordering
    this.leaseMs = leaseMs
    this.publishTimeoutMs = publishTimeoutMs
    this.slots = slots
    for (const slot of slots) this.#listenTo(slot)
  }

  static async muster(site: Site, program: string, size: number, options: CrewOptions): Promise<Crew> {
    const slots = await Promise.all(
      Array.from({ length: size }, () => RelaySlot.open(site, program, options)),
    )
    const crew = new Crew(options, slots)
    for (const slot of slots) slot.start()
    return crew
  }

  /** Who led last, unless it has ended. */
  get leader(): RelaySlot | undefined {
    return this.#leader
  }

  /** Those who do not lead, and could. */
  get standbys(): readonly RelaySlot[] {
    return this.slots.filter((slot) => slot !== this.#leader && slot.ready)
  }

  #listenTo(slot: RelaySlot): void {
    slot.on('told', (told, at) => {
      if (told.type === 'leads' && told.epoch > this.#epoch) {
        this.#epoch = told.epoch
        this.#leader = slot
        this.#firstIsOut = true
        this.emit('leads', at, slot)
      } else if (told.type === 'lost') {
        if (this.#leader === slot) this.#leader = undefined
      } else if (told.type === 'published') {
        this.figures.acknowledged += told.count
        this.figures.deduplicated += told.duplicates
        if (this.#leader === slot && this.#firstIsOut) {
          this.#firstIsOut = false
          this.emit('acknowledged', at)
        }
      } else if (told.type === 'memory') {
        this.figures.peakBytes = Math.max(this.figures.peakBytes, told.peakBytes)
      } else if (told.type === 'paused') {
        const reason = told.reason.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}|\d+/g, '…')
        this.pauses.set(reason, (this.pauses.get(reason) ?? 0) + 1)
      }
    })
    slot.on('ended', (crash) => {
      if (this.#leader === slot) this.#leader = undefined
      if (crash !== undefined) this.figures.crashes.push(crash)
    })
  }

  /** Resolves when all relays have ended in order. */
  async dismiss(): Promise<void> {
    await Promise.all(this.slots.map((slot) => slot.close()))
  }
}
