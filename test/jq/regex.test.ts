import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileJq } from '../../src/jq/jq.ts'
import { boundFor, searchBound } from '../../src/jq/regex-cost.ts'
import { isRaised } from '../../src/jq/raised.ts'
import { canBeEmpty, regexProgram } from '../../src/jq/regex-program.ts'
import { runRegex } from '../../src/jq/regex-run.ts'
import { type RegexFlags, translateRegex } from '../../src/jq/regex-syntax.ts'
import { regexTree } from '../../src/jq/regex-tree.ts'
import { beginRun, endRun, stepsLeft } from '../../src/jq/budget.ts'
import { outputsOf } from './values.ts'

const NO_FLAGS: RegexFlags = { isGlobal: false, ignoresCase: false, isExtended: false, dotTakesAll: false, leavesOutEmpty: false }

/** JavaScript's pattern of one in Oniguruma's syntax, and ours. */
function bothOf(pattern: string, ignoresCase = false) {
  const translated = translateRegex(pattern, { ...NO_FLAGS, ignoresCase })
  const regex = new RegExp(translated, `dgv${ignoresCase ? 'i' : ''}`)
  const names: (string | null)[] = [null]
  for (const [, name] of translated.matchAll(/\((?!\?)|\(\?<(?![=!])([^>]+)>/gu)) names.push(name ?? null)
  const tree = regexTree(translated, names, ignoresCase)
  return { regex, tree, groups: names.length - 1, program: regexProgram(tree, names.length - 1) }
}

/** The same; undefined where it repeats too much. */
function bothIfSmall(pattern: string, ignoresCase = false) {
  try {
    return bothOf(pattern, ignoresCase)
  } catch (error) {
    if (isRaised(error) && error.raised === 'Regex failure: the pattern repeats too much') return undefined
    throw error
  }
}

/** Where JavaScript finds a pattern and its captures, at or behind a place. */
function nativePlaces(regex: RegExp, text: string, from: number): readonly number[] | undefined {
  regex.lastIndex = from
  return regex.exec(text)?.indices?.flatMap((range: readonly [number, number] | undefined) => range ?? [-1, -1])
}

function ownPlaces({ program, groups }: ReturnType<typeof bothOf>, text: string, from: number): readonly number[] | undefined {
  const found = runRegex(program, text, from)
  return found === undefined ? undefined : Array.from(found.subarray(0, 2 * (groups + 1)))
}

/** Steps of a program that something takes. */
function stepsOf(act: () => unknown): number {
  const budget = { steps: 1e9, depth: 1, textChars: 1e9, subjectChars: 1e9 }
  const outer = beginRun(budget)
  try {
    act()
    return budget.steps - stepsLeft()
  } finally {
    endRun(outer)
  }
}

const MOVES_A_STEP = 8
const MOVES_A_PART = 8

function allPlaces(program: ReturnType<typeof regexProgram>, text: string): void {
  for (let from = 0; from <= text.length;) {
    const found = runRegex(program, text, from)
    if (found === undefined) return
    from = Math.max(found[1]!, found[0]! + 1)
  }
}

const atoms = fc.constantFrom(
  'a',
  'b',
  'B',
  'é',
  'ß',
  '😀',
  '.',
  '[ab]',
  '[^a]',
  '[a-c😀]',
  String.raw`\w`,
  String.raw`\W`,
  String.raw`\s`,
  String.raw`\d`,
  '[[:alpha:]]',
  '^',
  '$',
  String.raw`\b`,
  String.raw`\B`,
  String.raw`\A`,
  String.raw`\Z`,
  String.raw`\R`,
  String.raw`\p{Lu}`,
  String.raw`\x61`,
)
const quantifiers = fc.constantFrom(
  '',
  '',
  '',
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '??',
  '{2}',
  '{1,2}',
  '{0,3}?',
  '{2,}',
  '*+',
  '++',
  '?+',
)

/** Patterns in Oniguruma's syntax; `hasReferences` where they may refer to their first group. */
const patterns = fc
  .letrec<{ pattern: string; part: string }>((tie) => ({
    pattern: fc
      .array(fc.array(fc.tuple(tie('part'), quantifiers), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 })
      .map((options) => options.map((items) => items.map(([part, sign]) => part + sign).join('')).join('|')),
    part: fc.oneof(
      { depthSize: 'small', maxDepth: 3, withCrossShrink: true },
      atoms,
      fc
        .tuple(fc.constantFrom('(', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?>'), tie('pattern'))
        .map(([opening, inner]) => `${opening}${inner})`),
    ),
  }))
  .pattern.chain((pattern) =>
    fc.constantFrom(pattern, pattern, pattern, String.raw`(${pattern})\1`, String.raw`(?<n>${pattern})(?:.\k<n>)?`),
  )
const subjects = fc.string({
  unit: fc.constantFrom('a', 'b', 'B', 'A', 'é', 'É', 'ß', 'ẞ', '😀', ' ', '\n', '1', '\uD83D'),
  maxLength: 8,
})

/** The places between the code points of a text. */
const placesOf = (text: string): readonly number[] =>
  Array.from(text).reduce<number[]>((places, char) => [...places, places.at(-1)! + char.length], [0])

/** JavaScript matches backwards behind, an atomic group as if it stood ahead. */
const isLeftOut = (pattern: string): boolean => /\(\?<[=!]/u.test(pattern) && /\(\?>|[*+?}]\+/u.test(pattern)

describe('the search that counts its steps', () => {
  it('finds what JavaScript finds, with the same captures', () => {
    let compared = 0
    fc.assert(
      fc.property(patterns, fc.array(subjects, { minLength: 1, maxLength: 4 }), fc.boolean(), (pattern, texts, ignoresCase) => {
        fc.pre(!isLeftOut(pattern))
        const both = bothIfSmall(pattern, ignoresCase)
        if (both === undefined) return
        for (const text of texts) {
          // V8 finds what is empty between the halves of a pair.
          if (canBeEmpty(both.tree) && /[^\0-\uFFFF]/u.test(text)) continue
          for (const from of placesOf(text)) {
            compared++
            expect({ pattern, text, from, places: ownPlaces(both, text, from) }).toEqual({
              pattern,
              text,
              from,
              places: nativePlaces(both.regex, text, from),
            })
          }
        }
      }),
      { numRuns: 500 },
    )
    expect(compared).toBeGreaterThan(500)
  })

  it('takes no more moves than the bound by which JavaScript is let search', () => {
    let bounded = 0
    fc.assert(
      fc.property(patterns, fc.string({ unit: fc.constantFrom('a', 'b', 'B', ' '), maxLength: 12 }), (pattern, text) => {
        const both = bothIfSmall(pattern)
        if (both === undefined) return
        const { tree, program } = both
        const bound = boundFor(searchBound(tree), text.length)
        if (bound > 100_000) return
        bounded++
        const moves = MOVES_A_STEP * stepsOf(() => allPlaces(program, text))
        // Each place costs what beginning costs; splits, jumps and saves go with characters.
        expect({ pattern, text, isWithin: moves <= MOVES_A_PART * bound + (text.length + 2) * (program.registers + 2) }).toEqual({
          pattern,
          text,
          isWithin: true,
        })
      }),
      { numRuns: 500 },
    )
    expect(bounded).toBeGreaterThan(100)
  })

  it.each([
    '(a+)+$',
    '(a|a)*$',
    '(a|aa)+$',
    '(.*)(.*)(.*)x',
    '([a-z]+)*!',
    '(?:a?){20}a{20}$',
    'a*a*a*a*b',
    '(a|b|ab)*c',
    '^(([a-z])+.)+[A-Z]([a-z])+$',
  ])('takes moves in line with the length of the subject: %s', (pattern) => {
    const { program } = bothOf(pattern)
    const steps = (chars: number): number => stepsOf(() => runRegex(program, `${'a'.repeat(chars)}?`, 0))
    expect(steps(4000) / steps(2000)).toBeLessThan(2.5)
  })
})

describe('regular expressions of programs', () => {
  const hostile = [
    '(a+)+$',
    '(a|a)*$',
    '(a*)*$',
    '(a*)*b',
    '(?=(a+)+$)b',
    '(?>(a+)+)b',
    '(a+)++b',
    String.raw`(a|aa)+\1b`,
    String.raw`(?:(a+)\1)+$`,
    '(?<!(a+)+)b',
    '((a*)*)*b',
    '(a{0,99}){0,99}b',
    '(?i)(A+)+$',
    '(?:(?i:a)+)+$',
    '.*.*.*.*.*=',
    '^(a?){50}a{50}$',
    '(.*?,){11}P',
    String.raw`(\w+\s?)+$`,
  ]
  const subjects = [30, 3000, 65_000].flatMap((chars) =>
    ['a', 'ab', 'a ', 'a,', '😀a'].map((unit) => `${unit.repeat(chars / unit.length)}!`),
  )

  it.each(hostile)('end, whatever the pattern: %s', (pattern) => {
    for (const call of ['test($p)', '[match($p; "g")] | length', '[splits($p)] | length', 'gsub($p; "x") | length']) {
      const program = compileJq(`${JSON.stringify(pattern)} as $p | ${call}`, { maxSteps: 40_000 })
      for (const subject of subjects) {
        const outcome = (): string => {
          try {
            return typeof program.first(subject)
          } catch (error) {
            return (error as { code: string }).code
          }
        }
        expect(['boolean', 'number', 'JQ_FAILED']).toContain(outcome())
      }
    }
  })

  it.each([
    ['test("(a+)+$")', `${'a'.repeat(60_000)}!`, false],
    ['test("^(a|a)*!$")', `${'a'.repeat(60_000)}!`, true],
    ['match("(a+)+b").length', `${'a'.repeat(60_000)}b`, 60_001],
    ['[splits(" +")] | length', 'a b '.repeat(16_000), 32_001],
    ['gsub("\\\\s+";"_") | length', 'a  b '.repeat(10_000), 40_000],
  ])('are found in long texts, and not found: %s', (program, subject, output) => {
    expect(outputsOf(program, subject)).toEqual([output])
  })

  it.each([
    [String.raw`[match("(a)\\1").string]`, 'baac', ['aa']],
    [String.raw`[match("(?<x>.)\\k<x>";"gi").string]`, 'aAbcC', ['aA', 'cC']],
    [String.raw`[match("\\p{Lu}+";"g").string]`, 'aBCdÉ', ['BC', 'É']],
    [String.raw`[match("\\P{Lu}+";"g").string]`, 'aBCdÉ', ['a', 'd']],
    [String.raw`[match("\\p{Greek}+").string]`, 'abc λόγος', ['λόγος']],
    ['[match("$";"g").offset]', 'a😀', [2]],
    ['[match("^";"g").offset]', '😀a😀', [0]],
    ['[match("";"g").offset]', '😀a', [0, 1, 2]],
    ['sub("$";"!")', '😀', '😀!'],
    ['[splits("")]', '😀a', ['', '😀', 'a', '']],
    ['test("(?i:b)?[A]$")', 'a', false],
    ['test("(?-i:a)*[a-c]"; "i")', 'A', true],
    ['test("(?i)^error: (?-i:DISK)")', 'ERROR: DISK', true],
    ['test("(?i)^error: (?-i:DISK)")', 'ERROR: disk', false],
    ['[match("(?=.(.))(.)";"g").captures[].offset]', 'abc', [1, 0, 2, 1]],
    ['[match("a*";"gn").string]', 'baac', ['aa']],
  ])('%s of %j is %j', (program, subject, output) => {
    expect(outputsOf(program, subject)).toEqual([output])
  })
})
