/** The files of ops/ that run the worker: what they set is there, and they let it end in peace. */
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { EXIT } from '../../src/cli/exit-codes.js'
import { createProgram } from '../../src/cli/program.js'
import { stopTimeoutOf } from '../../src/cli/worker/worker-settings.js'

const textOf = (file: string) => readFile(new URL(`../../ops/${file}`, import.meta.url), 'utf8')

const dockerfile = await textOf('docker/Dockerfile')
const compose = parse(await textOf('docker/compose.yml'), { merge: true })
const unit = await textOf('systemd/drizzle-outbox.service')
const settingOf = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''
const manifests = await Promise.all(
  ['worker', 'migrate'].map(async (name) =>
    parseAllDocuments(await textOf(`kubernetes/${name}.yml`), { strict: true }).map((document) => {
      expect(document.errors).toEqual([])
      return document.toJS()
    }),
  ),
)
const [deployment, budget] = manifests[0]!
const [job] = manifests[1]!
const pod = deployment.spec.template.spec
const [worker] = pod.containers

const { commands } = createProgram(async () => {})
const names = commands.map((command) => command.name())
const variables = commands.flatMap(({ options }) => options.flatMap(({ envVar }) => envVar ?? []))
const main = 'node_modules/drizzle-outbox/dist/cli/main.js'
/** After SIGTERM, with as much again for what comes after the relay. Seconds. */
const patience = (2 * stopTimeoutOf({})) / 1000

it('name variables that the command reads', async () => {
  const files = [
    'docker/Dockerfile',
    'docker/compose.yml',
    'systemd/drizzle-outbox.service',
    'kubernetes/worker.yml',
  ]
  const texts = await Promise.all(files.map(textOf))
  const named = new Set(texts.join('\n').match(/\bOUTBOX_\w+/g))
  expect(named.size).toBeGreaterThan(2)
  expect([...named].filter((name) => !variables.includes(name))).toEqual([])
})

describe('the image', () => {
  it('runs the command that the package has, without anything between it and its signals', async () => {
    const manifest = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(`node_modules/drizzle-outbox/${manifest.bin['drizzle-outbox'].replace('./', '')}`).toBe(main)
    expect(dockerfile).toContain(`\nENTRYPOINT ["node", "${main}"]\nCMD ["relay"]\n`)
    expect(dockerfile).toContain('\nUSER node\n')
  })

  it('is used with commands that there are', () => {
    const used = [compose.services.worker.command, compose.services.migrate.command, worker.args]
    for (const [name] of [...used, job.spec.template.spec.containers[0].args]) expect(names).toContain(name)
  })

  it('is asked for its health where it answers', () => {
    const [, port] = /OUTBOX_METRICS_PORT=(\d+)/.exec(dockerfile)!
    expect(dockerfile).toContain(`http://127.0.0.1:${port}/healthz`)
    expect(dockerfile).toContain(`\nEXPOSE ${port}\n`)
  })
})

describe('compose', () => {
  it('waits for the worker to end', () => {
    expect(Number.parseInt(compose.services.worker.stop_grace_period, 10)).toBeGreaterThanOrEqual(patience)
  })

  it('migrates before the worker starts, and builds what there is', () => {
    const { worker, migrate } = compose.services
    expect(worker.depends_on.migrate.condition).toBe('service_completed_successfully')
    for (const { build } of [worker, migrate])
      expect(build.dockerfile).toBe('node_modules/drizzle-outbox/ops/docker/Dockerfile')
  })
})

describe('systemd', () => {
  it('waits for the worker to end, and starts it again unless that does not help', () => {
    expect(Number(settingOf('TimeoutStopSec'))).toBeGreaterThanOrEqual(patience)
    expect(settingOf('Restart')).toBe('always')
    expect(settingOf('RestartPreventExitStatus')).toBe(String(EXIT.usage))
    expect(settingOf('ExecStart')).toBe(`/usr/bin/env node ${main} relay`)
  })
})

describe('Kubernetes', () => {
  it('runs two, of which one may go', () => {
    expect(deployment.spec.replicas).toBe(2)
    expect(deployment.spec.strategy.rollingUpdate.maxUnavailable).toBe(0)
    expect(budget.spec.minAvailable).toBe(1)
    const labels = deployment.spec.template.metadata.labels
    for (const { spec } of [deployment, budget]) expect(labels).toMatchObject(spec.selector.matchLabels)
  })

  it('waits for the worker to end', () => {
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(patience)
  })

  it('asks it where it answers, and gives it the time that it takes', () => {
    const { livenessProbe: liveness, readinessProbe: readiness, ports, env } = worker
    expect(liveness.httpGet).toEqual({ path: '/healthz', port: ports[0].name })
    expect(readiness.httpGet).toEqual({ path: '/readyz', port: ports[0].name })
    expect(readiness.timeoutSeconds).toBeGreaterThan(2) // `timeoutMs` of the health server
    const valueIn = (variable: string) => env.find(({ name }: { name: string }) => name === variable).value
    expect(valueIn('OUTBOX_METRICS_PORT')).toBe(String(ports[0].containerPort))
    expect(valueIn('OUTBOX_METRICS_HOST')).toBe('0.0.0.0') // by default only the pod itself reaches it
    const annotations = deployment.spec.template.metadata.annotations
    expect(annotations['prometheus.io/port']).toBe(String(ports[0].containerPort))
  })
})
