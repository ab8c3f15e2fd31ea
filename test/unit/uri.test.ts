import { CloudEvent } from 'cloudevents'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isUri, isUriReference } from '../../src/events/uri.js'
import { anyText } from '../support/arbitrary-text.js'
import { runs } from '../support/runs.js'

/** Examples of CloudEvents 1.0.2, "source", and of RFC 3986, sections 1.1.2 and 4.2. */
const absolute = [
  ...['https://github.com/cloudevents', 'mailto:cncf-wg-serverless@lists.cncf.io'],
  ...['urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66', 'ldap://[2001:db8::7]/c=GB?objectClass?one'],
  ...['telnet://192.0.2.16:80/', 'tel:+1-816-555-1212', 'ftp://user:pass@ftp.is.co.za/rfc/rfc1808.txt'],
  ...[
    'https://acme.com/schemas/order.json#/definitions/placed',
    'https://acme.com/b%C3%BCro',
    'file:///tmp/x',
  ],
]
const relative = [
  ...[
    '/shop',
    '/sensors/tn-1234567/alerts',
    'cloudevents/spec/pull/123',
    '1-555-123-4567',
    '//acme.com/shop',
  ],
  ...['shop', './a:b', '?query', '#fragment', '/', '//', '/a//b', '../up', '*', '/$JS'],
]
const neither = [
  ...[
    '',
    ' ',
    '/my shop',
    ' /shop',
    '/shop\n',
    '/büro',
    '/a"b',
    '/a<b>',
    '/a\\b',
    '/a^b',
    '/{id}',
    '/a|b',
    '`',
  ],
  ...[
    '%',
    '/100%',
    '/%2',
    '/%GG',
    ':',
    ':a',
    '1:2',
    'a_b:c',
    '#a#b',
    '/[id]',
    'https://[::1',
    'https://[1:2]',
  ],
  ...['https://[::1%25eth0]/', 'https://a b/', 'https://acme.com:port/', '/x'.repeat(1025), '\ud800'],
]

describe('a URI reference', () => {
  it.each([...absolute, ...relative])('may be %s', (text) => {
    expect(isUriReference(text)).toBe(true)
  })
  it.each([...neither, undefined, null, 7, new URL('https://acme.com')])('is not %j', (text) => {
    expect(isUriReference(text)).toBe(false)
  })
})

describe('a URI', () => {
  it.each(absolute)('may be %s', (text) => {
    expect(isUri(text)).toBe(true)
  })
  it.each([...relative, ...neither])('is not %j', (text) => {
    expect(isUri(text)).toBe(false)
  })
})

it('is something that the SDK finds valid, whatever it is', () => {
  const literal = fc.oneof(
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.'), maxLength: 30 }),
  )
  const part = fc.oneof(
    fc.constantFrom(
      'http:',
      'urn:',
      'x:',
      '//',
      '/',
      '?',
      '#',
      ':',
      '@',
      '%20',
      '%',
      'a',
      '1',
      '.',
      '-',
      "'",
    ),
    literal.map((ip) => `[${ip}]`),
    fc.string({ maxLength: 2 }),
  )
  const text = fc.oneof(
    { weight: 4, arbitrary: fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')) },
    { weight: 2, arbitrary: fc.webUrl({ withQueryParameters: true, withFragments: true }) },
    { weight: 1, arbitrary: anyText },
  )
  let found = 0
  fc.assert(
    fc.property(text, (text) => {
      if (isUriReference(text)) new CloudEvent({ type: 'x', source: text, specversion: '1.0', id: '1' }, true)
      if (isUri(text)) new CloudEvent({ type: 'x', source: '/', dataschema: text }, true)
      if (isUri(text)) found++
    }),
    runs(4000),
  )
  expect(found).toBeGreaterThan(400)
})
