/**
 * The TypeScript of a document: each fenced `ts` block is a module, as it stands. A block may be named, as in
 * "```ts order.ts": others can then import it.
 *
 * @param {string} text
 * @returns {{ file: string | undefined, code: string, line: number }[]}
 */
export function snippetsOf(text) {
  return [...text.matchAll(/^```ts(?: (?<file>\S+))?\n(?<code>[\s\S]*?)^```$/gm)].map((match) => ({
    file: match.groups?.file,
    code: match.groups?.code ?? '',
    line: text.slice(0, match.index).split('\n').length,
  }))
}
