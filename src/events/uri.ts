import { isIPv6 } from 'node:net'

/** Longer ones would crowd out what else has to fit into a broker's headers. */
const MAX_LENGTH = 2048

/** An absolute URI (RFC 3986), such as `https://acme.com/schemas/order` or `urn:acme:order`. */
export function isUri(text: unknown): boolean {
  return matches(URI, text)
}

/** A URI, or what can stand for one relative to another (RFC 3986, section 4.1), such as `/shop`. Not empty. */
export function isUriReference(text: unknown): boolean {
  return text !== '' && (matches(URI, text) || matches(RELATIVE, text))
}

/** So many characters of a part of a URI, of which some take a few `more` than others. */
const characters = (more: string) => `(?:[A-Za-z0-9._~!$&'()*+,;=${more}-]|%[0-9A-Fa-f]{2})`

const AUTHORITY = `//(?:${characters(':')}*@)?(?:\\[(?<ip>[0-9A-Fa-f:.]+)\\]|${characters('')}*)(?::[0-9]*)?`
const SEGMENTS = `(?:/${characters(':@')}*)*`
const ABSOLUTE = `/(?:${characters(':@')}+${SEGMENTS})?`
const QUERY_AND_FRAGMENT = `(?:\\?${characters(':@/?')}*)?(?:#${characters(':@/?')}*)?`

const SCHEME = '[A-Za-z][A-Za-z0-9+.-]*:'
const HIERARCHY = `(?:${AUTHORITY}${SEGMENTS}|${ABSOLUTE}|${characters(':@')}+${SEGMENTS})`
const URI = new RegExp(`^${SCHEME}${HIERARCHY}${QUERY_AND_FRAGMENT}$`)
/** Its first segment has no colon, which would make a scheme of it. */
const RELATIVE_HIERARCHY = `(?:${AUTHORITY}${SEGMENTS}|${ABSOLUTE}|${characters('@')}+${SEGMENTS})?`
const RELATIVE = new RegExp(`^${RELATIVE_HIERARCHY}${QUERY_AND_FRAGMENT}$`)

function matches(pattern: RegExp, text: unknown): boolean {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) return false
  const match = pattern.exec(text)
  const ip = match?.groups?.ip
  return match !== null && (ip === undefined || isIPv6(ip))
}
