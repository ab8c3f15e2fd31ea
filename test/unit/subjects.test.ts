import { encodeToken, type RecordedEvent } from 'drizzle-outbox'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkSubject, checkSubjectPrefix, defaultSubject } from '../../src/cloudevents/subject.js'
import { anyText } from '../support/arbitrary-text.js'
import { codeOf } from '../support/code-of.js'
import { runs } from '../support/runs.js'

describe('encodeToken', () => {
  const TOKEN = /^(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+$/

  it('makes one token of any text, another one of any other text, and one that decodes', () => {
    const texts = new Map<string, string>()
    fc.assert(
      fc.property(anyText, (text) => {
        const token = encodeToken(text)
        const known = texts.get(token) ?? text
        texts.set(token, text)
        if (text === '') return token === '%'
        const decodes = Buffer.from(text).toString() !== text || decodeURIComponent(token) === text
        return known === text && TOKEN.test(token) && decodes
      }),
      runs(10_000),
    )
  })

  it.each([
    ['', '%'],
    ['%', '%25'],
    ['a.b', 'a%2Eb'],
    ['*', '%2A'],
    ['>', '%3E'],
    ['$JS', '%24JS'],
    ['\ufffd', '%EF%BF%BD'],
    ['\ud800', '%ED%A0%80'],
    ['\udfff', '%ED%BF%BF'],
  ])('makes of %j the token %s', (text, token) => {
    expect(encodeToken(text)).toBe(token)
  })
})

describe('subjects', () => {
  const order = { id: '1', type: 'com.acme.order.placed', aggregateType: 'order' } as RecordedEvent

  it('are prefix, aggregate type and event name', () => {
    expect(defaultSubject('shop')(order)).toBe('shop.order.placed')
    expect(defaultSubject('shop')({ ...order, type: 'a.b>c', aggregateType: '*' })).toBe('shop.%2A.b%3Ec')
  })

  it('are below their prefix, whatever the names are', () => {
    fc.assert(
      fc.property(anyText, anyText, (aggregateType, name) => {
        const event = { ...order, aggregateType, type: `order.${name}` }
        const last = name.split('.').at(-1) as string
        const tokens = ['shop', encodeToken(aggregateType), encodeToken(last)]
        if (tokens.join('.').length <= 3072) expect(defaultSubject('shop')(event).split('.')).toEqual(tokens)
        else expect(codeOf(() => defaultSubject('shop')(event))).toBe('ERR_OUTBOX_EVENT_REFUSED')
      }),
      runs(2000),
    )
  })

  it.each([
    ...['', '.', 'a..b', 'a.', '.a', 'a.*', 'a.>', 'a b', 'a\tb', 'a\nb', 'a\u00a0b', 'a\u0000', '$JS.API'],
    ...['a\ud800', 'a\u2028b', '\ufeff'],
  ])('%j is refused', (subject) => {
    expect(() => checkSubject(subject, order)).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_EVENT_REFUSED' }),
    )
    expect(() => checkSubjectPrefix('subjectPrefix', subject)).toThrow(
      expect.objectContaining({ code: 'ERR_OUTBOX_OPTION_INVALID' }),
    )
  })

  it.each([
    ['x', 1],
    ['ü', 2],
    ['日', 3],
  ])('may be so long that a server takes them, where %s is %i bytes', (character, bytes) => {
    const ofBytes = (count: number) => 'x'.repeat(count % bytes) + character.repeat(Math.floor(count / bytes))
    const codeOfSubject = (subject: string) => codeOf(() => checkSubject(subject, order))
    const codeOfPrefix = (prefix: string) => codeOf(() => checkSubjectPrefix('subjectPrefix', prefix))
    expect([codeOfSubject(ofBytes(3072)), codeOfPrefix(ofBytes(1024))]).toEqual([undefined, undefined])
    expect(codeOfSubject(ofBytes(3073))).toBe('ERR_OUTBOX_EVENT_REFUSED')
    expect(codeOfPrefix(ofBytes(1025))).toBe('ERR_OUTBOX_OPTION_INVALID')
  })
})
