/** One run of a program through one transaction: takes its steps and enters each in the record. */
import { sql } from 'drizzle-orm'
import { type DomainEvent, isOutboxError } from 'drizzle-outbox'
import { sqlState } from '../../../src/event-log/database.js'
import type { Tx } from '../../support/outbox-databases.js'
import { Job, jobEvents } from './jobs.js'
import type { Program, Step } from './program.js'
import type { RecordOfAttempt } from './record-of-attempt.js'

/** The application changes its mind. */
export class Undo extends Error {}
/** The application wants its whole transaction once more. */
export class Again extends Error {}

type Of<K extends Step['kind']> = Extract<Step, { kind: K }>
type Marked = Extract<Step, { row: unknown }>

export class Walk {
  /** Whether the callback of the transaction returned. */
  returned = false
  /** Whether the transaction may fail all the same. */
  mayFail = false
  readonly #handles: Tx[] = []
  #marks = 0

  constructor(
    readonly program: Program,
    readonly attempt: number,
    readonly record: RecordOfAttempt,
    readonly jobs: (Job | undefined)[],
    readonly known: DomainEvent,
  ) {
    for (const [index, job] of jobs.entries()) if (job !== undefined) this.#meet(index, job)
  }

  async run(tx: Tx, ends: 'committed' | 'thrown' | 'again'): Promise<number> {
    await this.#within(tx, this.program.body)
    if (ends === 'thrown') throw new Undo()
    if (ends === 'again') throw new Again()
    this.returned = true
    return this.attempt
  }

  async #within(handle: Tx, steps: readonly Step[]): Promise<void> {
    this.#handles.push(handle)
    try {
      for (const step of steps) await this.#take(step)
    } finally {
      this.#handles.pop()
    }
  }

  async #take(step: Step): Promise<void> {
    if (step.kind === 'throw') throw new Undo()
    if (step.kind === 'savepoint') return this.#openSavepoint(step)
    if (step.kind === 'fail') return this.#fail(step)
    const mark = `${this.program.name}/${this.attempt}/${this.#marks++}`
    const insert = async () => {
      const handle = this.#handle(step.rowThrough)
      await handle.execute(sql`insert into marks values (${mark}, ${this.program.name})`)
    }
    if (step.row === 'before') await insert()
    const row = step.row === 'meanwhile' ? insert() : undefined
    row?.catch(() => {})
    await this.#do(step, mark)
    await row
    if (step.row === 'after') await insert()
  }

  async #do(step: Marked, mark: string): Promise<void> {
    const { outbox } = this.#handle(step.through)
    switch (step.kind) {
      case 'hook': {
        const hook = { row: mark, runs: 0 }
        this.record.hooks.push(hook)
        return outbox.afterCommit(async () => {
          await Promise.resolve()
          hook.runs++
        })
      }
      case 'metadata':
        this.record.correlated(mark, mark)
        return outbox.metadata({ correlationId: mark })
      case 'known event':
        this.record.addedEvent(this.known, mark)
        return outbox.add(this.known)
      case 'events': {
        const { id } = this.program.aggregates[step.aggregate]!
        const data = { program: this.program.name, mark }
        const events = Array.from({ length: step.count }, () => jobEvents.done(id, data))
        for (const event of events) this.record.addedEvent(event, mark)
        return outbox.add(...events)
      }
      case 'aggregate':
        return this.#useJob(step, mark)
      default:
        step satisfies never
    }
  }

  async #useJob({ aggregate, does, through }: Of<'aggregate'>, mark: string): Promise<void> {
    const { outbox } = this.#handle(through)
    const use = (job: Job) => {
      for (const what of does) {
        if (what === 'record') this.record.recorded(job, job.do(this.program.name, mark), mark)
        else {
          outbox.add(job)
          this.record.added(job, mark)
        }
      }
    }
    const job = this.jobs[aggregate] ?? (await this.#load(aggregate))
    if (this.record.loaded.has(job)) this.mayFail = true
    try {
      use(job)
    } catch (error) {
      if (!(isOutboxError(error) && error.code === 'ERR_OUTBOX_AGGREGATE_STALE')) throw error
      use(await this.#load(aggregate))
    }
  }

  async #load(index: number): Promise<Job> {
    const { id, checked } = this.program.aggregates[index]!
    const version = checked ? await this.#handle(0.99).outbox.versionOf(jobEvents, id) : undefined
    const job = new Job(id, version)
    this.#meet(index, job)
    return job
  }

  #meet(index: number, job: Job): void {
    this.jobs[index] = job
    this.record.takesUp(job)
    if (job.version !== undefined) this.record.loaded.set(job, job.version)
  }

  async #openSavepoint({ through, body, ends, caught }: Of<'savepoint'>): Promise<void> {
    try {
      await this.#handle(through).transaction(async (savepoint) => {
        await this.#within(savepoint, body)
        if (ends === 'thrown') throw new Undo()
      })
    } catch (error) {
      if (!caught || !(error instanceof Undo || sqlState(error) !== undefined)) throw error
    }
  }

  async #fail({ through, caught }: Of<'fail'>): Promise<void> {
    const handle = this.#handle(through)
    // postgres.js holds it against the handle, and a statement that fails where it is caught spoils what follows.
    if (caught || handle !== this.#handles.at(-1)) this.mayFail = true
    try {
      await handle.execute(sql`select 1 / 0`)
    } catch (error) {
      if (!caught) throw error
    }
  }

  #handle(through: number): Tx {
    return this.#handles[Math.floor(through * this.#handles.length)]!
  }
}
