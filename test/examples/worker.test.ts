/** `npm run example:worker`: the curl session that it prints, its worker killed, Ctrl-C, and what is left of it. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, inject, onTestFinished, test } from 'vitest'
import { processesOf } from '../../dev/servers/sweep.mjs'
import { expectNothingLeftOf } from '../support/leftovers.js'
import { describeWithNats } from '../support/servers.js'

const run = fileURLToPath(new URL('../../dev/run.mjs', import.meta.url))
const patience = { timeout: 60_000 }

/** Resolves when it says what to try. */
async function startExample(environment: NodeJS.ProcessEnv = {}) {
  const { DATABASE_URL, NATS_URL, ...inherited } = process.env
  const mark = randomUUID() // every process that comes of it has this in its environment
  const child = spawn(process.execPath, [run, 'example:worker'], {
    env: { ...inherited, ...environment, MARK: mark },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  let said = ''
  for (const output of [child.stdout, child.stderr])
    output.setEncoding('utf8').on('data', (text) => {
      said += text
    })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const wrote = (pattern: RegExp) => expect.poll(() => said, patience).toMatch(pattern)
  const failed = ended.then(() => Promise.reject(new Error(`it ended: ${said}`)))
  await Promise.race([wrote(/Ctrl-C ends it all/), failed])

  const processes = processesOf(mark)
  const launcher = processes.find(({ command }) => / dev\/worker-example\/main\.ts/.test(command))!
  return {
    ended,
    wrote,
    said: () => said,
    stop: (signal: NodeJS.Signals) => child.kill(signal),
    /** What somebody copies from the terminal. */
    session: [...said.matchAll(/^ {2}curl -sw .* (http:\S+)(?: --json '(.*)')?$/gm)].map(
      ([, url, body]) =>
        () =>
          ask(url!, body),
    ),
    urlOf: (name: string) => new RegExp(`^${name} +(http:\\S+)`, 'm').exec(said)![1]!,
    pidOf: (name: string) => Number(new RegExp(`^${name} .* process (\\d+)`, 'm').exec(said)![1]),
    expectNothingLeft: async () => {
      await expectNothingLeftOf(launcher.pid)
      await expect.poll(() => processesOf(mark).map(({ command }) => command)).toEqual([])
    },
  }
}

async function ask(url: string, body?: string) {
  const response = await fetch(url, body === undefined ? {} : { method: 'POST', body })
  return { status: response.status, answer: JSON.parse(await response.text()) }
}

describeWithNats('npm run example:worker', (natsUrl) => {
  test('a session, a worker that is killed, Ctrl-C', { timeout: 120_000 }, async () => {
    // The standby of a worker that was killed waits for this long.
    const example = await startExample({ OUTBOX_LEASE_MS: '10000' })
    const [bookings, calendar, worker] = ['bookings', 'calendar', 'worker'].map(example.urlOf)
    const book = (fields: object) =>
      ask(`${bookings}/bookings`, JSON.stringify({ room: 'blue', guest: 'Cy', ...fields }))
    const days = async (room: string) => {
      const { answer } = await ask(`${calendar}/rooms/${room}`)
      return answer.map(({ booking, status }: Record<string, string>) => `${booking} ${status}`)
    }

    const answers = []
    for (const line of example.session) answers.push(await line())
    expect(answers).toMatchObject([
      { status: 201, answer: { id: 'b1', price: 12000, status: 'requested', version: 1 } },
      { status: 409, answer: { error: 'conflict', message: 'room blue is taken on 2027-03-01' } },
      { status: 200, answer: { id: 'b1', status: 'paid', version: 2 } },
      { status: 409, answer: { error: 'outdated', message: 'it is at version 2: look again' } },
      { status: 200, answer: { id: 'b1', status: 'paid', version: 2 } },
      { status: 200 }, // the calendar, sooner or later
      { status: 200, answer: { ready: true, relays: [{ relay: 'bookings', broker: 'ok' }] } },
    ])
    await expect.poll(() => days('blue'), patience).toEqual(['b1 paid'])
    const metrics = await (await fetch(`${worker}/metrics`)).text()
    expect(metrics).toMatch(/outbox_relay_published_total\{[^}]*type="booking.requested"[^}]*\} 1/)
    await example.wrote(
      /calendar │ booking b1, version 1: Ada asks for room blue on 2027-03-01 \(request .+\)/,
    )

    expect(
      await Promise.all([
        book({ id: 'b3', day: 'tomorrow' }),
        book({ id: 'b3', day: '2027-03-03', room: 'red' }),
        book({ id: 'b1', day: '2027-03-03' }),
        ask(`${bookings}/bookings/b3`),
        ask(`${bookings}/bookings/b1/payment`, 'amount=1'),
        ask(`${bookings}/bookings/b1/cancellation`, '{"reason":"ill","version":2}'),
      ]),
    ).toMatchObject([400, 404, 409, 404, 400, 200].map((status) => ({ status })))
    await book({ id: 'b4', day: '2027-03-01' }) // free again
    expect(await ask(`${bookings}/bookings/b4/payment`, '{"amount":1}')).toMatchObject({ status: 422 })
    await expect.poll(() => days('blue'), patience).toEqual(['b4 requested'])

    const made: string[] = []
    for (let day = 1; day <= 28; day++) {
      if (day === 10) process.kill(example.pidOf('worker'), 'SIGKILL')
      const id = `g${day}`
      expect(await book({ id, day: `2027-02-${String(day).padStart(2, '0')}`, room: 'green' })).toMatchObject(
        {
          status: 201,
        },
      )
      made.push(`${id} requested`)
    }
    await example.wrote(/worker +│ ended with SIGKILL; it is started again/)
    await expect.poll(() => days('green'), patience).toEqual(made)

    // A request that is begun when everything ends is answered all the same.
    const body = JSON.stringify({ id: 'late', day: '2027-04-01', room: 'blue', guest: 'Di' })
    const headers = { 'content-length': body.length, expect: '100-continue' }
    const late = request(`${bookings}/bookings`, { method: 'POST', headers })
    const answered = once(late, 'response')
    answered.catch(() => {}) // awaited below
    late.flushHeaders()
    await once(late, 'continue') // the service has it
    example.stop('SIGINT')
    await example.wrote(/bookings │ SIGTERM: finishing what is begun/)
    late.end(body)
    const [response] = await answered
    expect(response.statusCode).toBe(201)
    await text(response)
    expect(await example.ended, example.said()).toBe(0)
    await example.expectNothingLeft()
  })

  test('on the servers that the environment names', { timeout: 120_000 }, async () => {
    const example = await startExample({ DATABASE_URL: inject('databaseUrl'), NATS_URL: natsUrl })
    expect(await example.session[0]!()).toMatchObject({ status: 201 })
    example.stop('SIGTERM')
    expect(await example.ended, example.said()).toBe(0)
    await example.expectNothingLeft()
    const connection = await connect({ servers: natsUrl })
    const { streams } = await jetstreamManager(connection)
    const names = []
    for await (const name of streams.names()) names.push(name)
    await connection.close()
    expect(names.filter((name) => name.startsWith('BOOKINGS'))).toEqual([])
  })
})
