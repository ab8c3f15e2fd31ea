/**
 * Header values as the CloudEvents bindings for NATS (1.0.2, section 3.1.3.2) and HTTP ask: printable ASCII stays,
 * except space, `"` and `%`; everything else is its UTF-8 bytes as `%XX`. Hence no value can end a header line.
 * Decode with `decodeURIComponent`.
 */
export function encodeHeaderValue(value: string): string {
  return PLAIN_VALUE.test(value) ? value : percentEncode(value, UNSAFE_IN_VALUE)
}

const PLAIN_VALUE = /^[!#-$&-~]*$/
const UNSAFE_IN_VALUE = /[^!#-$&-~]/gu

/**
 * Any text as exactly one token of a subject: `.`, `*`, `>`, spaces and control characters cannot escape, and two
 * different texts give two different tokens. Letters, digits, `-` and `_` stay, everything else is its UTF-8 bytes as
 * `%XX`. Decode with `decodeURIComponent`; the empty text is a lone `%`, and half a surrogate pair, which no event holds,
 * is three bytes that do not decode.
 *
 * @example
 * ```ts
 * encodeToken('a.b c') // a%2Eb%20c
 * ```
 */
export function encodeToken(text: string): string {
  if (text === '') return '%'
  return PLAIN_TOKEN.test(text) ? text : percentEncode(text, UNSAFE_IN_TOKEN)
}

const PLAIN_TOKEN = /^[A-Za-z0-9_-]+$/
const UNSAFE_IN_TOKEN = /[^A-Za-z0-9_-]/gu

function percentEncode(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, (character) => {
    let encoded = ''
    for (const byte of utf8(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    return encoded
  })
}

/** `Buffer` makes U+FFFD of every half of a surrogate pair: two texts would become one. */
function utf8(character: string): Iterable<number> {
  const code = character.codePointAt(0) as number
  const half = code >= 0xd800 && code <= 0xdfff
  return half ? [0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)] : Buffer.from(character)
}
