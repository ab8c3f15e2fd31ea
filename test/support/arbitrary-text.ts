/** Text that somebody on its way may take for something else than text. */
import fc from 'fast-check'

const escapes = ['\\u0000', '\\\\u0000', '\\', '\\\\', '\\n', '\\x00', "\\'", '\\"', '&amp;', '\\r\\n']
const quotes = ['"', "'", '""', "''", '`', '(', ')', '{', '}', '{}', '[', ']', ',', ';', '--', '/*', '*/']
const controls = ['\n', '\r', '\r\n', '\r\n\r\n', '\t', '\u0001', '\u001f', '\u007f', '\u0085', '\u009f']
const spaces = [' ', '  ', '\u00a0', '\u1680', '\u2003', '\u2028', '\u2029', '\u202f', '\u3000', '\ufeff']
const shapes = [
  '\u200d',
  '\u202e',
  'e\u0301',
  '\ue000',
  '\uffff',
  '\u{10ffff}',
  ...'é İ ß ￿ 日本 👩‍👩‍👧 😀'.split(' '),
]
const values = ['', ...'null NULL undefined 0 -1 1e3 1.0 __proto__ constructor length'.split(' ')]
const placeholders = '$1 $2 $$ $& ? :name %s %d'.split(' ')
const encoded = '% %% %0 %00 %2 %25 %2E %2e %0D%0A %ZZ %E2%82 %C3%28 %u0041 +'.split(' ')
const subjects = '. .. * > .* .> a.b $JS $JS.API. $SYS. _INBOX. / - _'.split(' ')
const headers = [
  ...[':', ': ', '503', 'NATS/1.0\r\n', '\r\nNats-Msg-Id: evil', '\nNats-Rollup: all', '\rce-id: evil'],
  ...[
    'ce-type: evil',
    'Nats-Msg-Id',
    '\r\n Nats-TTL: 1s',
    '\r\n\r\nPUB evil 0\r\n\r\n',
    'Nats-Expected-Last-Sequence: 9',
  ],
]
const groups = [escapes, quotes, controls, spaces, shapes, values, placeholders, encoded, subjects, headers]
const awkward = groups.flat()

/** What PostgreSQL does not store: NUL, and halves of surrogate pairs. */
const poison = ['\0', '\ud800', '\udfff', '\udc00\ud800', 'x\udbffy']

const piecesOf = (...pieces: readonly string[]) =>
  fc
    .array(
      fc.oneof(
        { weight: 4, arbitrary: fc.constantFrom(...pieces) },
        { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary-ascii', maxLength: 3 }) },
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join(''))

const long = fc
  .tuple(fc.constantFrom(...awkward, 'x'), fc.nat({ max: 600 }))
  .map(([piece, times]) => piece.repeat(times))

/** Halves of surrogate pairs become U+FFFD. */
const wellFormed = (value: string) => Buffer.from(value).toString()

/** What one gets by encoding text once, or once too often. */
const looksEncoded = piecesOf(...awkward).map((value) => encodeURIComponent(wellFormed(value)))

/** Any string that JavaScript has. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: piecesOf(...awkward) },
  { weight: 3, arbitrary: looksEncoded },
  { weight: 2, arbitrary: piecesOf(...awkward, ...poison) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) }),
  },
  { weight: 1, arbitrary: long },
)

/** Text that PostgreSQL stores. */
export const storableText: fc.Arbitrary<string> = anyText.map((value) =>
  wellFormed(value).replaceAll('\0', '\\0'),
)
