/** What the pages for operators refer to is there. */
import { access, readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

const root = new URL('../../', import.meta.url)
const pages = ['docs/operations.md', 'docs/guarantees.md']
const textOf = (path: string) => readFile(new URL(path, root), 'utf8')

it.each(pages)('%s names files that there are', async (page) => {
  const named = new Set((await textOf(page)).match(/(?<=`)(test|ops)\/[\w/.-]+(?=`)/g))
  expect(named.size).toBeGreaterThan(3)
  for (const path of named) await expect(access(new URL(path, root)), path).resolves.toBeUndefined()
})

it.each(pages)('%s leads to headings that there are', async (page) => {
  const links = [...(await textOf(page)).matchAll(/\]\((?<path>[^)#]*)#(?<anchor>[\w-]+)\)/g)]
  expect(links.length).toBeGreaterThan(1)
  for (const { groups } of links) {
    const target = new URL(groups!.path || page.split('/').at(-1)!, new URL(page, root))
    const headings = (await readFile(target, 'utf8')).match(/^#+ .+$/gm) ?? []
    const anchors = headings.map((heading) =>
      heading
        .replace(/^#+ /, '')
        .toLowerCase()
        .replaceAll(/[^\w -]/g, ''),
    )
    expect(anchors.map((anchor) => anchor.replaceAll(' ', '-'))).toContain(groups!.anchor)
  }
})
