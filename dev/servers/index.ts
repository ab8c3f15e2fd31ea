/** Private PostgreSQL, NATS and PgBouncer servers for the demo, the tests, the benches and the fault campaigns. */
export { createDatabase, type Database } from './database.js'
export { type NatsOptions, type NatsServer, startNats } from './nats.js'
export { findNatsServer, howToGetNats } from './nats-binary.js'
export { type NatsCluster, type NatsClusterOptions, type NatsNode, startNatsCluster } from './nats-cluster.js'
export {
  findPgBouncer,
  howToGetPgBouncer,
  type PgBouncerOptions,
  type PgBouncerServer,
  startPgBouncer,
} from './pgbouncer.js'
export { type PostgresOptions, type PostgresServer, startPostgres } from './postgres.js'
export { type Servers, startServers } from './start-servers.js'
export { openVenue, type Venue } from './venue.js'
