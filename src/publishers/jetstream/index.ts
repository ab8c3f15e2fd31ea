/** NATS JetStream. Needs the peer dependencies `@nats-io/transport-node` and `@nats-io/jetstream`. */
export { encodeToken } from '../../cloudevents/percent-encoding.js'
export { jetStreamPublisher } from './jetstream-publisher.js'
export type { JetStreamPublisherOptions } from './options.js'
export type { StreamOptions } from './stream.js'
export type { StreamRisk } from './stream-checks.js'
