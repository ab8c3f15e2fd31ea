/** The way to the server, or the server itself, is not as it must be. */
import { itReactsTo, patient } from '../../support/causes.js'
import { describeWithNatsServer } from '../../support/private-nats.js'

describeWithNatsServer('a relay on a bad connection', () => {
  itReactsTo([
    {
      cause: 'the server is killed',
      provoke: async ({ nats }) => {
        await nats.kill()
        return () => nats.restart()
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /not connected to NATS$/,
    },
    {
      cause: 'the server takes no connections',
      fromTheStart: true,
      provoke: async ({ proxy }) => {
        proxy.refuse(true)
        return () => proxy.refuse(false)
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot connect to NATS/,
    },
    {
      cause: 'the server is frozen',
      provoke: async ({ nats }) => {
        process.kill(nats.pid, 'SIGSTOP')
        return () => process.kill(nats.pid, 'SIGCONT')
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /no acknowledgement within 360 ms|NATS does not answer|no connection within 400 ms/,
    },
    {
      cause: 'the link is too slow',
      provoke: async ({ proxy }) => {
        proxy.delay(500)
        return () => proxy.delay(0)
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /no acknowledgement within 360 ms|NATS does not answer|no connection within 400 ms/,
    },
    {
      cause: 'the link is slow, but not too slow',
      given: patient,
      provoke: async ({ proxy }) => {
        proxy.delay(100)
        return () => proxy.delay(0)
      },
      class: 'none',
      relay: 'goes on',
      operator: undefined,
    },
    {
      cause: 'nothing arrives for a while, and then all of it',
      provoke: async ({ proxy }) => {
        proxy.hold()
        return () => proxy.release()
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /no acknowledgement within 360 ms|NATS does not answer|no connection within 400 ms/,
    },
    {
      cause: 'what the server says does not arrive, and then the connection is cut',
      provoke: async ({ proxy }) => {
        proxy.hold('toClient')
        return () => {
          proxy.cutAll()
          proxy.release()
        }
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /no acknowledgement within 360 ms|NATS does not answer|no connection within 400 ms/,
    },
    {
      cause: 'acknowledgements are lost, and nothing else',
      provoke: async ({ proxy }) => {
        proxy.loseAcks(true)
        return () => proxy.loseAcks(false)
      },
      class: 'unavailable',
      relay: 'waits',
      operator: /no acknowledgement within 360 ms|NATS does not answer|no connection within 400 ms/,
    },
    {
      cause: 'the connection is half open',
      provoke: async ({ proxy }) => {
        proxy.halfOpen()
        return () => {}
      },
      class: 'unavailable',
      relay: 'recovers',
      operator: /NATS does not answer/,
    },
  ])
})
