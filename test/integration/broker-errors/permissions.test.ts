/** The relay's user may not do all that the relay has to do. */
import { expect } from 'vitest'
import { type Cause, itReactsTo, patient } from '../../support/causes.js'
import { describeWithNatsServer } from '../../support/private-nats.js'

const admin = { user: 'admin', pass: 'admin-secret' }
const relay = { user: 'relay', pass: 'relay-secret' }

function users(permissions: string): string {
  return `authorization { users: [
    { user: ${admin.user}, password: ${admin.pass} }
    { user: ${relay.user}, password: ${relay.pass}, permissions: ${permissions} }
  ] }`
}

/** Taken from the relay's user, and given back. */
function denied(permissions: string): Pick<Cause, 'given' | 'provoke' | 'secrets'> {
  return {
    given: { server: { config: users('{}') }, admin, login: () => relay },
    provoke: async ({ nats }) => {
      await nats.reload(users(permissions))
      return () => nats.reload(users('{}'))
    },
    secrets: [relay.pass],
  }
}

/** As the README says. */
const needed = `{
  publish: { allow: [
    "shop.>", "$JS.API.STREAM.INFO.SHOP", "$JS.API.STREAM.MSG.GET.SHOP", "$JS.API.STREAM.CREATE.SHOP",
    "$JS.API.CONSUMER.*.SHOP.>", "$JS.API.CONSUMER.MSG.NEXT.SHOP.>"
  ] }
  subscribe: { allow: "_INBOX.>" }
}`

describeWithNatsServer('a relay whose user may not', () => {
  itReactsTo([
    {
      cause: 'do more than it needs',
      fromTheStart: true,
      given: { ...patient, server: { config: users(needed) }, admin, login: () => relay },
      provoke: async () => () => {},
      class: 'none',
      relay: 'goes on',
      operator: undefined,
    },
    {
      cause: 'publish to one of the subjects',
      ...denied('{ publish: { deny: "shop.order.shipped" } }'),
      class: 'unavailable',
      relay: 'waits',
      operator: /the user may not publish to shop\.order\.shipped$/,
    },
    {
      cause: 'hear acknowledgements any more',
      ...denied('{ subscribe: { deny: "_INBOX.>" } }'),
      class: 'unavailable',
      relay: 'waits',
      operator: /the user may not subscribe to _INBOX\.>$/,
    },
    {
      cause: 'hear acknowledgements',
      fromTheStart: true,
      ...denied('{ subscribe: { deny: "_INBOX.>" } }'),
      class: 'unavailable',
      relay: 'waits',
      operator: /the user may not subscribe to _INBOX\.>$/,
    },
    {
      cause: 'look at the stream',
      fromTheStart: true,
      ...denied('{ publish: { deny: "$JS.API.>" } }'),
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot look up stream SHOP: the user may not publish to \$JS\.API\.STREAM\.INFO\.SHOP$/,
    },
    {
      cause: 'create the stream',
      fromTheStart: true,
      ...denied('{ publish: { deny: "$JS.API.STREAM.CREATE.>" } }'),
      class: 'unavailable',
      relay: 'waits',
      operator: /cannot create stream SHOP: the user may not publish to \$JS\.API\.STREAM\.CREATE\.SHOP$/,
    },
    {
      cause: 'read what is stored of events that nobody saw acknowledged',
      ...denied('{}'),
      provoke: async (world) => {
        await world.nats.reload(users('{ publish: { deny: "$JS.API.STREAM.MSG.GET.>" } }'))
        world.proxy.loseAcks(true)
        await world.record()
        await expect.poll(() => world.pauses()).toBeGreaterThan(0)
        world.proxy.loseAcks(false)
        return () => world.nats.reload(users(needed))
      },
      class: 'unavailable',
      relay: 'waits',
      operator:
        /the end of stream SHOP cannot be read: the user may not publish to \$JS\.API\.STREAM\.MSG\.GET\.SHOP$/,
    },
  ])
})
