/** One table: what goes wrong, how that comes about, which class it is, what the relay does, what an operator sees. */
import { expect, it } from 'vitest'
import { type BrokerOptions, type BrokerWorld, type Histories, openBrokerWorld } from './broker-world.js'

export interface Cause {
  readonly cause: string
  /** Brings it about, and returns what cures it. */
  readonly provoke: (world: BrokerWorld) => Promise<() => unknown>
  readonly class: keyof typeof classes | 'none'
  readonly relay: Reaction
  /** In the relay's `paused` or `refused`, or in what `start` throws. Undefined: nothing. */
  readonly operator: RegExp | undefined
  /** It is so before the relay starts. Otherwise the relay is publishing when it comes about. */
  readonly fromTheStart?: boolean
  /** What was in the stream before is not there any more. */
  readonly loses?: boolean
  /** Events may be stored after later ones of their aggregate. */
  readonly disorders?: boolean
  readonly given?: BrokerOptions
  /** Servers before this version cannot bring it about. */
  readonly since?: string
  /** The text of an event that is recorded then, after and before others of its aggregate. */
  readonly text?: string
  /** That the operator must never see. */
  readonly secrets?: readonly string[]
}

export type Reaction =
  /** Pauses, holds nothing against any event, and goes on by itself when the cause is cured. */
  | 'waits'
  /** The same, and there is nothing to cure. */
  | 'recovers'
  /** `start()` rejects. */
  | 'does not start'
  /** Tries the event again and again; its aggregate waits behind it, and the others are published. */
  | 'holds the aggregate back'
  /** Never pauses. */
  | 'goes on'

const classes = {
  unavailable: 'ERR_OUTBOX_UNAVAILABLE',
  unfit: 'ERR_OUTBOX_STREAM_UNFIT',
  refused: 'ERR_OUTBOX_EVENT_REFUSED',
  fenced: 'ERR_OUTBOX_FENCED',
  lost: 'ERR_OUTBOX_DESTINATION_LOST',
} as const

export function itReactsTo(causes: readonly Cause[]): void {
  for (const cause of causes) {
    const name = `${cause.cause}: ${cause.class}, ${cause.relay}`
    it(name, (context) => react(cause, context.skip))
  }
}

async function react(row: Cause, skip: (reason: string) => void): Promise<void> {
  const world = await openBrokerWorld(row.given)
  try {
    const { version } = world.nats
    if (version.localeCompare(row.since ?? '', 'en', { numeric: true }) < 0)
      return skip(`nats-server ${version} cannot`)
    await provokeAndCure(world, row)
    for (const secret of row.secrets ?? []) expect([...world.printed].join()).not.toContain(secret)
  } finally {
    await world.close()
    if (process.env.OUTBOX_TEST_FIGURES) console.log(figuresOf(world, row))
  }
}

async function provokeAndCure(world: BrokerWorld, row: Cause): Promise<void> {
  const { relay } = world
  const told = () => [...world.told]
  if (!row.fromTheStart) {
    await relay.start()
    await world.record()
    await relay.drain(inTime())
    expect(await world.stored()).toEqual(await world.recorded())
  }
  const before = row.loses ? await world.recorded() : {}
  const cure = await row.provoke(world)
  await world.record(row.text === undefined ? {} : { [HELD]: row.text })

  if (row.class === 'none' || row.operator === undefined) {
    await relay.drain(inTime())
    expect(told()).toEqual([])
  } else if (row.relay === 'does not start') {
    const [code, message] = [classes[row.class], expect.stringMatching(row.operator)]
    await expect(relay.start()).rejects.toMatchObject({ code, message })
  } else {
    await relay.start()
    const expected = new RegExp(`^${classes[row.class]}: .*${row.operator.source}`, row.operator.flags)
    await expect.poll(told).toContainEqual(expect.stringMatching(expected))
    const pauses = world.pauses()
    const pausesAgain = row.relay !== 'recovers' && row.relay !== 'holds the aggregate back'
    if (pausesAgain) await expect.poll(world.pauses).toBeGreaterThan(pauses + 1)
    if (row.relay === 'holds the aggregate back') {
      const { [HELD]: held = [], ...others } = await world.recorded()
      await expect.poll(world.stored).toEqual({ ...others, [HELD]: held.slice(0, 1) })
    } else expect(told().join()).not.toContain(classes.refused)
  }
  await cure()
  await relay.start()
  await relay.drain(inTime())
  const inOrder = (all: Histories) => (row.disorders ? Object.values(all).flat().sort() : all)
  const stored = async () => inOrder(without(before, await world.stored()))
  // The replica that is read may be behind.
  await expect.poll(stored).toEqual(inOrder(without(before, await world.recorded())))
}

function without(gone: Histories, histories: Histories): Histories {
  const left = Object.entries(histories).map(([id, events]) => [
    id,
    events.filter((event) => !gone[id]?.includes(event)),
  ])
  return Object.fromEntries(left)
}

/** For a relay that is not to pause, on a machine that may be slow. */
export const patient: BrokerOptions = { publisher: { publishTimeoutMs: 5000 } }
const inTime = () => ({ signal: AbortSignal.timeout(20_000) })

const HELD = 'held'

/** What the operator was told, each thing once: for comparing versions of the server. */
function figuresOf({ nats, told }: BrokerWorld, { cause }: Cause): string {
  return [`${nats.version} ${cause}`, ...told].join('\n  ')
}
