import { spend, spendSubject } from './budget.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import { type Bound, NEVER_ENDING, boundFor, searchBound } from './regex-cost.ts'
import { type RegexProgram, canBeEmpty, regexProgram } from './regex-program.ts'
import { runRegex } from './regex-run.ts'
import { ATOMIC, type RegexFlags, translateRegex } from './regex-syntax.ts'
import { type RegexNode, regexTree } from './regex-tree.ts'
import { codePoints } from './text.ts'
import type { JqValue } from './value.ts'

/** One match, counted in code points. */
export interface RegexMatch {
  readonly offset: number
  readonly length: number
  readonly string: string
  readonly captures: readonly RegexCapture[]
}

export interface RegexCapture {
  readonly offset: number
  readonly length: number
  readonly string: string | null
  readonly name: string | null
}

/** A match, and where it begins and ends in UTF-16 units. */
export interface FoundMatch {
  readonly match: RegexMatch
  readonly start: number
  readonly end: number
}

/** How long a pattern can be. */
const MAX_PATTERN_CHARS = 4096
/** What compiling takes, and for each character. */
const STEPS_A_PATTERN = 16
const STEPS_A_CHAR = 4
/** How many compiled patterns are kept. */
const MAX_KEPT = 256

interface Compiled {
  readonly regex: RegExp
  readonly flags: RegexFlags
  readonly tree: RegexNode
  /** What JavaScript's search takes at most. */
  readonly bound: Bound
  readonly canBeEmpty: boolean
  /** Made when it is first needed. */
  program: RegexProgram | undefined
  /** The names of the groups, by number; null where there is none. */
  readonly names: readonly (string | null)[]
}

const kept = new Map<string, Compiled>()

/** Whether a pattern matches. */
export function testRegex(subject: JqValue, pattern: JqValue, flags: JqValue): boolean {
  const text = subjectOf(subject)
  const regex = compiled(pattern, flags)
  if (!regex.flags.leavesOutEmpty && isNative(regex, text)) {
    regex.regex.lastIndex = 0
    return regex.regex.test(text)
  }
  return !matchPlaces(regex, text, false).next().done
}

/** The first match, or all of them where the flags have a `g` or `isGlobal`. */
export function matchesOf(subject: JqValue, pattern: JqValue, flags: JqValue, isGlobal: boolean): readonly FoundMatch[] {
  const text = subjectOf(subject)
  const regex = compiled(pattern, flags)
  const pointAt = pointCounter(text)
  const found: FoundMatch[] = []
  for (const places of matchPlaces(regex, text, isNative(regex, text))) {
    found.push({ match: matchOf(text, places, regex.names, pointAt), start: places[0]!, end: places[1]! })
    if (!isGlobal && !regex.flags.isGlobal) break
  }
  return found
}

/** How many steps of JavaScript's search cost as much as one of a program. */
const NATIVE_A_STEP = 256
/** Up to so many steps of a program, and two for each character, JavaScript searches: some milliseconds at the worst, and mostly next to nothing. */
const CHEAP_STEPS = 16_384
// oxlint-disable-next-line require-unicode-regexp -- with the flag it would not see halves
const HIGH_SURROGATE = /[\uD800-\uDBFF]/

/**
 * Whether JavaScript's search ends soon, whatever the text says; what it takes at most is taken from the budget then. V8 finds what is
 * empty between the halves of a surrogate pair too, so it does not search for that where there are some.
 */
function isNative({ bound, canBeEmpty }: Compiled, text: string): boolean {
  if (canBeEmpty && HIGH_SURROGATE.test(text)) return false
  const steps = boundFor(bound, text.length) / NATIVE_A_STEP
  if (steps > CHEAP_STEPS + 2 * text.length) return false
  spend(steps)
  return true
}

/** Where matches and their captures begin and end, as `runRegex` gives it, one match after the other. */
function* matchPlaces(regex: Compiled, text: string, natively: boolean): Generator<ArrayLike<number>, void, undefined> {
  for (let from = 0; from <= text.length;) {
    const places = natively ? nativePlaces(regex.regex, text, from) : ownPlaces(regex, text, from)
    if (places === undefined) return
    const [start, end] = [places[0]!, places[1]!]
    from = end > start ? end : end + ((text.codePointAt(end) ?? 0) > 0xff_ff ? 2 : 1)
    if (end > start || !regex.flags.leavesOutEmpty) yield places
  }
}

function nativePlaces(regex: RegExp, text: string, from: number): ArrayLike<number> | undefined {
  regex.lastIndex = from
  const indices = regex.exec(text)?.indices
  return indices?.flatMap((range: readonly [number, number] | undefined) => range ?? [-1, -1])
}

function ownPlaces(regex: Compiled, text: string, from: number): ArrayLike<number> | undefined {
  regex.program ??= regexProgram(regex.tree, regex.names.length - 1)
  return runRegex(regex.program, text, from)
}

function subjectOf(subject: JqValue): string {
  if (typeof subject !== 'string') raise(`${described(subject)} cannot be matched, as it is not a string`)
  spendSubject(subject.length)
  return subject
}

/** Says how many code points stand before a place; cheap for places near the one before. */
function pointCounter(text: string): (at: number) => number {
  let [counted, points] = [0, 0]
  return (at) => {
    points += at < counted ? -codePoints(text.slice(at, counted)) : codePoints(text.slice(counted, at))
    counted = at
    return points
  }
}

const CHARS_A_STEP = 32

function matchOf(text: string, places: ArrayLike<number>, names: Compiled['names'], pointAt: (at: number) => number): RegexMatch {
  const [whole, ...captures] = names.map((name, group): RegexCapture => {
    const [start, end] = [places[2 * group]!, places[2 * group + 1]!]
    spend(1 + (end - start) / CHARS_A_STEP)
    if (start < 0) return { offset: -1, length: 0, string: null, name }
    const string = text.slice(start, end)
    return { offset: pointAt(start), length: codePoints(string), string, name }
  })
  const { offset, length, string } = whole!
  return { offset, length, string: string!, captures: captures.filter(({ name }) => name?.startsWith(ATOMIC) !== true) }
}

function compiled(pattern: JqValue, flags: JqValue): Compiled {
  if (typeof pattern !== 'string') raise(`${described(pattern)} is not a string`)
  if (flags !== null && typeof flags !== 'string') raise(`${described(flags)} is not a string`)
  const key = `${flags ?? ''}/${pattern}`
  const known = kept.get(key)
  if (known !== undefined) return known
  if (pattern.length > MAX_PATTERN_CHARS) raise(`Regex failure: a pattern of ${pattern.length} characters is too long`)
  spend(STEPS_A_PATTERN + STEPS_A_CHAR * pattern.length)
  const made = compileRegex(pattern, flagsOf(flags ?? ''))
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value!)
  kept.set(key, made)
  return made
}

function flagsOf(text: string): RegexFlags {
  if (!/^[gimnpslx]*$/u.test(text)) raise(`${text} is not a valid modifier string`)
  if (text.includes('l')) raise('the flag l (longest match) is left out: JavaScript cannot search for it')
  return {
    isGlobal: text.includes('g'),
    ignoresCase: text.includes('i'),
    isExtended: text.includes('x'),
    dotTakesAll: text.includes('m') || text.includes('p'),
    leavesOutEmpty: text.includes('n'),
  }
}

/** What Oniguruma says where JavaScript says this. */
const REASONS: Readonly<Record<string, string>> = {
  'Range out of order in character class': 'empty range in char class',
  'numbers out of order in {} quantifier': 'upper is smaller than lower in repeat range',
}

function compileRegex(pattern: string, given: RegexFlags): Compiled {
  const { text, flags } = withWholeOption(pattern, given)
  try {
    const regex = new RegExp(text, `dgv${flags.ignoresCase ? 'i' : ''}`)
    const names = groupNames(text)
    const tree = regexTree(text, names, flags.ignoresCase)
    // V8 gives the flag of such a group to classes outside of it.
    const hasOption = /\(\?-?i:/u.test(text)
    const bound = hasOption ? NEVER_ENDING : searchBound(tree)
    return { regex, flags, names, tree, bound, canBeEmpty: canBeEmpty(tree), program: undefined }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const reason = error.message.replace(/^.*: /su, '')
    return raise(`Regex failure: ${REASONS[reason] ?? reason}`)
  }
}

/** The pattern for JavaScript; `(?i)` before all of it is the flag. */
function withWholeOption(pattern: string, flags: RegexFlags): { readonly text: string; readonly flags: RegexFlags } {
  const text = translateRegex(pattern, flags)
  if (!/^\(\?[imsx]+\)/u.test(pattern) || !text.startsWith(IGNORING)) return { text, flags }
  return { text: `(?:${text.slice(IGNORING.length)}`, flags: { ...flags, ignoresCase: true } }
}

const IGNORING = '(?i:'

/** The names of all groups that capture, by number. */
function groupNames(translated: string): (string | null)[] {
  const names: (string | null)[] = [null]
  for (const [, name] of translated.matchAll(/\((?!\?)|\(\?<(?![=!])([^>]+)>/gu)) {
    names.push(name ?? null)
  }
  return names
}
