import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type RealJq, openRealJq, realJqMissing } from './real-jq.ts'
import { outputsOf } from './values.ts'

interface Example {
  readonly program: string
  readonly input: unknown
  readonly outputs: readonly unknown[]
}

// Every example of jq's manual for version 1.6 (docs/content/manual/v1.6/manual.yml, read 2026-11), but for `$ENV.PAGER` and `env.PAGER`,
// which show the environment.
const examples = JSON.parse(
  readFileSync(new URL('../fixtures/jq/manual-1.6.json', import.meta.url), 'utf8'),
) as readonly Example[]

/** What the manual for 1.7 shows beside, as far as numbers are numbers. */
const later: readonly Example[] = [
  { program: 'map(abs)', input: [-10, -1.1, -0.1], outputs: [[10, 1.1, 0.1]] },
  { program: 'map(., .)', input: [1, 2], outputs: [[1, 1, 2, 2]] },
  { program: 'map_values(. // empty)', input: { a: null, b: true, c: false }, outputs: [{ b: true }] },
  {
    program: 'pick(.a, .b.c, .x)',
    input: { a: 1, b: { c: 2, d: 3 }, e: 4 },
    outputs: [{ a: 1, b: { c: 2 }, x: null }],
  },
  { program: 'pick(.[2], .[0], .[0])', input: [1, 2, 3, 4], outputs: [[1, null, 3]] },
  { program: '[repeat(.*2, error)?]', input: 1, outputs: [[2]] },
  { program: '. == false', input: null, outputs: [false] },
  { program: '. == {"b": {"d": (4 + 1e-20), "c": 3}, "a":1}', input: { a: 1, b: { c: 3, d: 4 } }, outputs: [true] },
  { program: 'empty // 42', input: null, outputs: [42] },
  { program: '(false, null, 1) // 42', input: null, outputs: [1] },
  { program: '(false, null, 1) | . // 42', input: null, outputs: [42, 42, 1] },
  {
    program: 'scan("(a+)(b+)")',
    input: 'abaabbaaabbb',
    outputs: [
      ['a', 'b'],
      ['aa', 'bb'],
      ['aaa', 'bbb'],
    ],
  },
  {
    program: String.raw`[sub("(?<a>.)"; "\(.a|ascii_upcase)", "\(.a|ascii_downcase)")]`,
    input: 'aB',
    outputs: [['AB', 'aB']],
  },
  { program: '[gsub("p"; "a", "b")]', input: 'p', outputs: [['a', 'b']] },
  { program: 'truncate_stream([[0],"a"],[[1,0],"b"],[[1,0]],[[1]])', input: 1, outputs: [[[0], 'b'], [[0]]] },
  { program: '.a |= .b', input: { a: { b: 10 }, b: 20 }, outputs: [{ a: 10, b: 20 }] },
  { program: '(.a, .b) |= range(3)', input: null, outputs: [{ a: 0, b: 0 }] },
]

describe('the examples of the manual', () => {
  it('are all there', () => {
    expect(examples.length).toBe(217)
  })

  it.each(examples)('$program', ({ program, input, outputs }) => {
    expect(outputsOf(program, input)).toEqual(outputs)
  })

  it.each(later)('of 1.7: $program', ({ program, input, outputs }) => {
    expect(outputsOf(program, input)).toEqual(outputs)
  })
})

describe.skipIf(realJqMissing())('the examples in jq itself', () => {
  let jq: RealJq
  beforeAll(async () => {
    jq = await openRealJq()
  }, GET_LIMIT_MS)

  it('have the same outputs', async () => {
    const program = `[${examples.map(({ program }, at) => `(.[${at}] | [${program}])`).join(', ')}]`
    const { lines } = await jq(program, [examples.map(({ input }) => input)])
    expect(JSON.parse(lines[0]!)).toEqual(examples.map(({ outputs }) => outputs))
  })
})
