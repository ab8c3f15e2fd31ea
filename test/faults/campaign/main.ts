/** `npm run faults`: what the outbox survives, counted. */
import { writeFile } from 'node:fs/promises'
import { createProgress } from '../../../dev/demo/progress.js'
import { runCampaign } from './campaign.js'
import { type Options, parseOptions, UsageError, usage } from './options.js'
import { renderProgress, renderReport } from './render.js'
import { startServersToKill } from './site.js'

async function main({ minutes, seed, rate, faults, bug, json }: Options): Promise<number> {
  const progress = createProgress(process.stderr)
  console.log(`Seed ${seed}${bug === undefined ? '' : `, with a bug: ${bug.name}`}`)
  let line = 'starting PostgreSQL and NATS'
  progress.follow(() => line)
  try {
    await using servers = await startServersToKill()
    const report = await runCampaign(servers, {
      ...bug?.campaign,
      ...(rate === undefined ? {} : { rate }),
      ...(faults === undefined ? {} : { faults }),
      strikesMs: minutes * 60_000,
      seed,
      bug,
      follow: (...state) => {
        line = renderProgress(...state)
      },
    })
    progress.end()
    console.log(renderReport(report))
    if (json !== undefined) await writeFile(json, `${JSON.stringify(report, undefined, 2)}\n`)
    return report.ok ? 0 : 1
  } finally {
    progress.end()
  }
}

try {
  const options = parseOptions(process.argv.slice(2))
  if (options.help) console.log(usage)
  // Node.js 20 may spin for ever at its own end, over a socket that was reset while it connected.
  else process.exit(await main(options))
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\n\n${usage}`)
  process.exitCode = 2
}
