/** A campaign: writers write, relays publish, the nemesis strikes; then it is quiet, and everything is counted. */

import type { Ordering } from '../publishing/campaign.js'
import { assemble, type Cast, type CastOptions, calm, dismiss } from './cast.js'
import { Check } from './check.js'
import { countDeadLetters } from './dead-letters.js'
import { drain } from './drain.js'
import { Findings } from './findings.js'
import { createReport, type Report } from './report.js'
import { openSite, type Servers, type Site } from './site.js'
import { type Records, type StrikeOptions, strike } from './strike.js'
import { Takeovers } from './takeovers.js'

export interface CampaignOptions extends CastOptions, StrikeOptions {
  /** How long the server knows the ids of what it has stored. Default: 2 minutes. Milliseconds. */
  readonly duplicateWindowMs?: number
  /** After so long without an acknowledgement a drain is given up. Default: 60000. Milliseconds. */
  readonly patienceMs?: number
  /** Hears each second how far it is. `elapsedMs`: since it has begun. */
  readonly follow?: (phase: Phase, elapsedMs: number, cast: Cast, records: Records) => void
}

/** The relays of a crew that lost its leader publish nothing for a while: several crews meet more. */
const ORDERINGS: readonly Ordering[] = ['aggregate', 'stream', 'aggregate', 'stream']

export type Phase = 'striking' | 'draining'

export async function runCampaign(servers: Servers, options: CampaignOptions): Promise<Report> {
  const { orderings = ORDERINGS, duplicateWindowMs = 120_000 } = options
  const site = await openSite(servers, orderings, duplicateWindowMs)
  try {
    const kills = { relays: 0, 'nats-server': 0, writers: 0 }
    const records = { findings: new Findings(), takeovers: new Takeovers(), survived: {}, kills }
    const cast = await assemble(site, options)
    const drainedMs = await playToEnd(site, cast, options, records)
    const events = await check(site, cast, records.findings)
    return createReport({ ...options, site, cast, records, events, drainedMs })
  } finally {
    await site.close()
  }
}

/** However it ends, nobody is left. */
async function playToEnd(...campaign: Parameters<typeof play>): ReturnType<typeof play> {
  try {
    return await play(...campaign)
  } finally {
    const [, cast] = campaign
    await dismiss(cast)
  }
}

/** @returns how long it took to come to the end of the log when it was quiet. Milliseconds. */
async function play(site: Site, cast: Cast, options: CampaignOptions, records: Records): Promise<number> {
  const { patienceMs = 60_000, follow = () => {} } = options
  let phase: Phase = 'striking'
  const startedAt = performance.now()
  const following = setInterval(() => follow(phase, performance.now() - startedAt, cast, records), 1000)
  try {
    await strike(site, cast, options, records)
    phase = 'draining'
    const quietAt = performance.now()
    await calm(cast)
    const relays = site.streams.map(({ name }) => name)
    const acknowledged = () => cast.crews.reduce((sum, { figures }) => sum + figures.acknowledged, 0)
    for (const relay of await drain(site.databaseUrl, relays, acknowledged, patienceMs))
      records.findings.note('undrained', `the relays of ${relay} are not at the end of the log`)
    return Math.round(performance.now() - quietAt)
  } finally {
    clearInterval(following)
  }
}

/** @returns the number of events in the log. */
async function check({ databaseUrl, nats, streams }: Site, cast: Cast, findings: Findings): Promise<number> {
  const check = new Check(findings)
  await check.ledgers(cast.writers.ledgers)
  await check.log(databaseUrl)
  for (const { name, ordering } of streams) await check.stream(nats.url, name, ordering)
  for (const { reason, count } of await countDeadLetters(databaseUrl))
    findings.note('unresolved', `dead letters of ${reason}`, count)
  const crashes = [...cast.writers.crashes, ...cast.crews.flatMap(({ figures }) => figures.crashes)]
  for (const crash of crashes) findings.note('crashed', crash)
  return check.events
}
