/** `npm run demo`: a shop, its outbox, a relay, a broker and a consumer, for real; then the proof that nothing was lost. */
import { howToGetNats, openVenue } from '../servers/index.js'
import { renderLookInside } from './look-inside.js'
import { type Options, parseOptions, UsageError, usage } from './options.js'
import { createProgress } from './progress.js'
import { runDemo } from './run-demo.js'
import { renderTable } from './table.js'
import { paintFor } from './text.js'
import { renderVerdict } from './verdict.js'

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const

async function main(options: Options, signal: AbortSignal): Promise<number> {
  const people = options.json ? process.stderr : process.stdout
  const paint = paintFor(people)
  const say = (text: string) => void people.write(`${text}\n`)
  const progress = createProgress(process.stderr)
  try {
    progress.say('Starting PostgreSQL and NATS …')
    await using venue = await openVenue('SHOP')
    progress.end()
    signal.throwIfAborted()
    if (!venue.natsUrl) say(`Without NATS: the events go to the memory publisher instead. ${howToGetNats}\n`)

    const { report, findings } = await runDemo({ venue, orders: options.orders, signal, progress })
    if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`)
    else say(renderTable(report, paint))
    say(`\n${renderVerdict(report, findings, paint)}`)
    if (options.keep) say(`\n${await renderLookInside(venue, paint)}`)
    return report.ok ? 0 : 1
  } finally {
    progress.end()
  }
}

/** The first signal ends it in order. After a second one, what holds our servers sees that we are gone and removes them. */
function abortOnSignal(): AbortSignal {
  const interrupted = new AbortController()
  for (const [name, code] of Object.entries(exitCodes))
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(code)
      interrupted.abort(new Interruption(code))
    })
  return interrupted.signal
}

class Interruption extends Error {
  constructor(readonly exitCode: number) {
    super('interrupted')
  }
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) process.stdout.write(usage)
  else process.exitCode = await main(options, abortOnSignal())
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${usage}`)
    process.exitCode = 2
  } else if (error instanceof Interruption) {
    process.exitCode = error.exitCode
  } else {
    console.error(error)
    process.exitCode = 1
  }
}
