/** The shop in one process: a relay, a customer who orders, and a consumer that reads what happened. */
import { randomUUID } from 'node:crypto'
import { connect } from '@nats-io/transport-node'
import { consumeOrders, type OrderMessage } from './consumer.js'
import { createTables } from './create-tables.js'
import { createDb, createPool } from './db.js'
import { payOrder, placeOrder, shipOrder } from './order-service.js'
import { createPublisher, startRelay } from './relay.js'
import { customers } from './schema.js'

const databaseUrl = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/postgres'
const natsUrl = process.env.NATS_URL ?? 'nats://127.0.0.1:4222'

const pool = createPool(databaseUrl)
const db = createDb(pool)
await createTables(db)
await db.insert(customers).values({ id: 'ada', creditLimit: 500_00 }).onConflictDoNothing()

const relay = await startRelay(db, createPublisher(natsUrl))

const order = randomUUID()
await placeOrder(db, order, 'ada', 42_00)
await payOrder(db, order, 42_00)
await shipOrder(db, order, 'DHL')

const connection = await connect({ servers: natsUrl })
const done = new AbortController()
await consumeOrders(connection, { stream: 'SHOP', name: 'diary', signal: done.signal }, (message) => {
  console.log(`${message.orderId} version ${message.version}: ${tell(message)}`)
  if (message.orderId === order && message.event.type === 'order.shipped') done.abort()
})

await connection.close()
await relay.stop()
await pool.end()

/** The compiler knows the data of each type, and that none is missing. */
function tell({ event }: OrderMessage): string {
  switch (event.type) {
    case 'order.placed':
      return `${event.data.customer} ordered for ${event.data.total / 100}`
    case 'order.paid':
      return `${event.data.amount / 100} came in`
    case 'order.shipped':
      return `on its way with ${event.data.carrier}`
    case 'order.cancelled':
      return `cancelled, because ${event.data.reason}`
    default:
      return event satisfies never
  }
}
