import { spendSubject } from './budget.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import { ATOMIC, type RegexFlags, translateRegex } from './regex-syntax.ts'
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

/** How long a pattern can be. */
const MAX_PATTERN_CHARS = 4096
/** How many compiled patterns are kept. */
const MAX_KEPT = 256

interface Compiled {
  readonly regex: RegExp
  readonly flags: RegexFlags
  /** The names of the groups of the pattern itself; undefined for a group that stands for an atomic one. */
  readonly names: readonly (string | null | undefined)[]
}

const kept = new Map<string, Compiled>()

/** Whether a pattern matches. */
export function testRegex(subject: JqValue, pattern: JqValue, flags: JqValue): boolean {
  const text = subjectOf(subject)
  const { regex, flags: set } = compiled(pattern, flags)
  if (set.leavesOutEmpty) return matchesOf(text, pattern, flags, false).length > 0
  regex.lastIndex = 0
  return regex.test(text)
}

/** The first match, or all of them where the flags have a `g` or `isGlobal`. */
export function matchesOf(subject: JqValue, pattern: JqValue, flags: JqValue, isGlobal: boolean): readonly RegexMatch[] {
  const text = subjectOf(subject)
  const { regex, flags: set, names } = compiled(pattern, flags)
  const found: RegexMatch[] = []
  const pointAt = pointCounter(text)
  regex.lastIndex = 0
  for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
    if (match[0] === '') regex.lastIndex += (text.codePointAt(match.index) ?? 0) > 0xff_ff ? 2 : 1
    if (match[0] === '' && set.leavesOutEmpty) continue
    found.push(matchOf(match, names, pointAt))
    if (!isGlobal && !set.isGlobal) break
  }
  return found
}

function subjectOf(subject: JqValue): string {
  if (typeof subject !== 'string') raise(`${described(subject)} cannot be matched, as it is not a string`)
  spendSubject(subject.length)
  return subject
}

/** Says how many code points stand before a place; cheap for places that rise. */
function pointCounter(text: string): (at: number) => number {
  let [counted, points] = [0, 0]
  return (at) => {
    if (at < counted) [counted, points] = [0, 0]
    points += codePoints(text.slice(counted, at))
    counted = at
    return points
  }
}

function matchOf(match: RegExpExecArray, names: Compiled['names'], pointAt: (at: number) => number): RegexMatch {
  const { indices } = match
  const offset = pointAt(match.index)
  const captures: RegexCapture[] = []
  for (let group = 1; group < match.length; group++) {
    const name = names[group]
    if (name === undefined) continue
    const string = match[group] ?? null
    const start = indices?.[group]?.[0]
    captures.push({
      offset: start === undefined ? -1 : pointAt(start),
      length: codePoints(string ?? ''),
      string,
      name,
    })
  }
  return { offset, length: codePoints(match[0]), string: match[0], captures }
}

function compiled(pattern: JqValue, flags: JqValue): Compiled {
  if (typeof pattern !== 'string') raise(`${described(pattern)} is not a string`)
  if (flags !== null && typeof flags !== 'string') raise(`${described(flags)} is not a string`)
  const key = `${flags ?? ''}/${pattern}`
  const known = kept.get(key)
  if (known !== undefined) return known
  if (pattern.length > MAX_PATTERN_CHARS) raise(`Regex failure: a pattern of ${pattern.length} characters is too long`)
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

function compileRegex(pattern: string, flags: RegexFlags): Compiled {
  const translated = translateRegex(pattern, flags)
  try {
    const regex = new RegExp(translated, `dgv${flags.ignoresCase ? 'i' : ''}`)
    return { regex, flags, names: groupNames(translated) }
  } catch (error) {
    return raise(`Regex failure: ${error instanceof Error ? error.message.replace(/^.*: /u, '') : 'invalid'}`)
  }
}

/** The names of all groups that capture, by number. */
function groupNames(translated: string): (string | null | undefined)[] {
  const names: (string | null | undefined)[] = [undefined]
  for (const [, name] of translated.matchAll(/\((?!\?)|\(\?<(?![=!])([^>]+)>/gu)) {
    names.push(name === undefined ? null : name.startsWith(ATOMIC) ? undefined : name)
  }
  return names
}
