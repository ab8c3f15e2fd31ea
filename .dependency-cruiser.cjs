/**
 * The floors of the house: a room may import from the rooms named here, and nothing else of src. The list goes from the
 * lowest floor up; ARCHITECTURE.md draws it. Type imports count.
 */
const rooms = {
  'errors.ts': [],
  'foreign-errors.ts': ['errors.ts'],
  events: ['errors.ts', 'foreign-errors.ts'],
  cloudevents: ['errors.ts', 'events'],
  'publishers/publisher.ts': ['errors.ts', 'events'],
  aggregate: ['errors.ts', 'events'],
  'event-log': ['errors.ts', 'foreign-errors.ts', 'events'],
  transaction: ['errors.ts', 'foreign-errors.ts', 'events', 'aggregate', 'event-log'],
  'publishers/memory.ts': ['events', 'cloudevents', 'publishers/publisher.ts'],
  'publishers/jetstream': [
    'errors.ts',
    'foreign-errors.ts',
    'events',
    'cloudevents',
    'publishers/publisher.ts',
  ],
  relay: ['errors.ts', 'foreign-errors.ts', 'events', 'event-log', 'publishers/publisher.ts', 'transaction'],
  operations: ['errors.ts', 'events', 'event-log', 'transaction'],
  observability: ['errors.ts', 'foreign-errors.ts', 'events', 'event-log', 'transaction', 'relay'],
  config: ['publishers/publisher.ts', 'relay', 'transaction'],
  cli: [
    'errors.ts',
    'events',
    'event-log',
    'transaction',
    'publishers/publisher.ts',
    'relay',
    'operations',
    'observability',
    'config',
  ],
  testing: [
    'errors.ts',
    'events',
    'cloudevents',
    'event-log',
    'transaction',
    'publishers/publisher.ts',
    'publishers/memory.ts',
  ],
}

/** Packages that only these rooms know. */
const packages = {
  'drizzle-orm': ['event-log', 'transaction/drivers'],
  postgres: ['transaction/drivers'],
  '@opentelemetry': ['transaction/trace-context.ts', 'observability/trace-relay.ts'],
  '@nats-io': ['publishers/jetstream'],
  'prom-client': ['observability/prometheus'],
  commander: ['cli'],
  jiti: ['cli'],
}

const pathOf = (room) => `^src/${room.replace('.', '\\.')}${room.endsWith('.ts') ? '$' : '/'}`

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'every-room-has-a-floor',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/index\\.ts$', ...Object.keys(rooms).map(pathOf)] },
      to: {},
    },
    ...Object.entries(rooms).map(([room, below]) => ({
      name: `floor-of-${room}`,
      severity: 'error',
      comment: `${room} may import: ${below.join(', ') || 'nothing'}`,
      from: { path: pathOf(room) },
      to: { path: '^src/', pathNot: [room, ...below].map(pathOf) },
    })),
    ...Object.entries(packages).map(([name, knownTo]) => ({
      name: `only-some-know-${name}`,
      severity: 'error',
      from: { path: '^src/', pathNot: knownTo.map(pathOf) },
      to: { path: `(^|/)${name}(/|$)` },
    })),
    {
      name: 'src-stands-alone',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|dev|examples|bench)/' },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'default', 'types'] },
  },
}
