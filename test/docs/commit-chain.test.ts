import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMIT_SCHEMA } from '../../src/commit/commit-schema.ts'
import { REMOVAL_FIELD } from '../../src/commit/removal.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/commit-chain.md'), 'utf8')
const paragraphs = page.split(/\n\n+/u)
const rules = paragraphs.flatMap((text) => {
  const number = /^\*\*([A-Z]\d+)\.\*\*/u.exec(text)?.[1]
  return number === undefined ? [] : [{ number, text }]
})

/** The tests that a rule names, by file and name. */
const testsOf = (text: string) =>
  [...text.matchAll(/^Test: `([^`]+)` "([^"\n]+)"$/gmu)].map(([, file, name]) => ({ file: file!, name: name! }))

const bare = (part: unknown): unknown => {
  if (Array.isArray(part)) return part.map(bare)
  if (typeof part !== 'object' || part === null) return part
  return Object.fromEntries(Object.entries(part).flatMap(([name, value]) => (name === 'doc' ? [] : [[name, bare(value)]])))
}

describe('docs/commit-chain.md', () => {
  it('numbers every rule once', () => {
    expect(rules.length).toBeGreaterThan(25)
    expect(new Set(rules.map(({ number }) => number)).size).toBe(rules.length)
    const unnumbered = paragraphs.filter((text) => /\bMUST\b/u.test(text) && !/^\*\*[A-Z]\d+\.\*\*/u.test(text))
    // The introduction says what the word means.
    expect(unnumbered).toHaveLength(1)
    expect(unnumbered[0]).toContain('RFC 2119')
  })

  it.each(rules)('names for $number tests that exist', ({ text }) => {
    const tests = testsOf(text)
    expect(tests.length).toBeGreaterThan(0)
    expect(tests).toHaveLength(text.match(/^Test:/gmu)!.length)
    const missing = tests.filter(({ file, name }) => !readFileSync(join(root, file), 'utf8').includes(`'${name}'`))
    expect(missing).toEqual([])
  })

  it('shows the schema that commits are written with', () => {
    const shown = /```json\n([^`]*)```/u.exec(page)![1]!
    expect(JSON.parse(shown)).toEqual(bare(COMMIT_SCHEMA))
  })

  it('shows the field that removals have beside', () => {
    const [, shown] = [...page.matchAll(/```json\n([^`]*)```/gu)].map((found) => found[1]!)
    expect(JSON.parse(shown!)).toEqual(bare(REMOVAL_FIELD))
  })
})
