/** One event cannot be published, for its own sake. */
import { STREAM } from '../../support/broker-world.js'
import { itReactsTo } from '../../support/causes.js'
import { describeWithNatsServer } from '../../support/private-nats.js'

const text = 'x'.repeat(3000)
const allowed = { stream: { name: STREAM, create: true, allow: ['max-payload' as const] } }

describeWithNatsServer('a relay with an event', () => {
  itReactsTo([
    {
      cause: 'that is larger than the server takes',
      given: { server: { config: 'max_payload: 2000' }, publisher: allowed },
      text,
      provoke:
        async ({ nats, proxy }) =>
        async () => {
          await nats.reload('max_payload: 1M')
          proxy.cutAll() // a client hears of it when it connects
        },
      class: 'refused',
      relay: 'holds the aggregate back',
      operator: /event .* was refused: the server takes 2000 bytes \(max_payload\)/,
    },
    {
      cause: 'that is larger than the stream takes',
      given: { publisher: allowed },
      text,
      provoke: async ({ manager }) => {
        const { streams } = await manager()
        await streams.update(STREAM, { max_msg_size: 2000 })
        return () => streams.update(STREAM, { max_msg_size: -1 })
      },
      class: 'refused',
      relay: 'holds the aggregate back',
      operator: /event .* was refused: message size exceeds maximum allowed, says stream SHOP/,
    },
    {
      cause: 'that the server would have taken before it was reloaded',
      given: { publisher: allowed },
      text,
      provoke: async ({ nats, proxy }) => {
        await nats.reload('max_payload: 2000')
        return async () => {
          await nats.reload('max_payload: 1M')
          proxy.cutAll()
        }
      },
      class: 'refused',
      relay: 'holds the aggregate back',
      operator: /event .* was refused: the server takes 2000 bytes \(max_payload\)/,
    },
    {
      cause: 'that the server would have taken before it was reloaded, which nobody has allowed for',
      text,
      provoke: async ({ nats, proxy }) => {
        await nats.reload('max_payload: 2000')
        return async () => {
          await nats.reload('max_payload: 1M')
          proxy.cutAll()
        }
      },
      class: 'unfit',
      relay: 'waits',
      operator: /stream SHOP .*a message may have 2000 bytes/,
    },
    {
      cause: 'whose subject is none',
      given: {
        publisher: {
          stream: { name: STREAM, create: { subjects: ['shop.>'] } },
          subject: ({ data }) => (data.includes('bad') ? `shop.${wildcard}` : 'shop.good'),
        },
      },
      text: 'bad',
      provoke: async () => {
        wildcard = '*'
        return () => {
          wildcard = 'bad'
        }
      },
      class: 'refused',
      relay: 'holds the aggregate back',
      operator: /event .* was refused: the subject of order\.shipped is not one that can be published to/,
    },
  ])
})

let wildcard = '*'
