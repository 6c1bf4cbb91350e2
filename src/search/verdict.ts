import type { SegmentRange } from '../index/segment-directory.ts'
import type { Condition, NumberTest, Range } from './condition.ts'
import type { LookupQuestion } from './lookup-question.ts'

/** How many of some messages a condition holds for, as far as is known without reading them. */
export type Verdict = 'all' | 'some' | 'none'

/** What look-up filters answer: false where no message there has that. */
export type MayHold = (question: LookupQuestion) => boolean

const always: MayHold = () => true

/** What is known of messages within these ranges. It never says `none` or `all` of what is not. */
export function verdictOf(condition: Condition, range: SegmentRange, mayHold: MayHold = always): Verdict {
  switch (condition.kind) {
    case 'all':
    case 'none':
      return condition.kind
    case 'and':
    case 'or':
      return jointVerdict(condition.parts, condition.kind === 'and' ? 'none' : 'all', (part) => verdictOf(part, range, mayHold))
    case 'not':
      return opposite(verdictOf(condition.part, range, mayHold))
    case 'number': {
      const [least, most] =
        condition.field === 'position' ? [range.firstPosition, range.lastPosition] : [range.minTimestamp, range.maxTimestamp]
      return numberVerdict(condition.test, least, most)
    }
    case 'bytes': {
      const { questions } = condition
      return questions.length > 0 && !questions.some(mayHold) ? 'none' : 'some'
    }
    case 'unknown':
    case 'jq':
      return 'some'
    default:
      throw new TypeError(`no condition ${String(condition satisfies never)}`)
  }
}

/** One part alone may decide it; otherwise it is as the parts are, where they are all the same. */
function jointVerdict(parts: readonly Condition[], decisive: 'all' | 'none', verdict: (part: Condition) => Verdict): Verdict {
  let isOpen = false
  for (const part of parts) {
    const one = verdict(part)
    if (one === decisive) return decisive
    isOpen ||= one === 'some'
  }
  return isOpen ? 'some' : opposite(decisive)
}

const opposite = (verdict: Verdict): Verdict => (verdict === 'some' ? 'some' : verdict === 'all' ? 'none' : 'all')

function numberVerdict(test: NumberTest, least: number, most: number): Verdict {
  if (test.kind === 'within') {
    const { from, to } = test.range
    if (most < from || least >= to) return 'none'
    return least >= from && most < to ? 'all' : 'some'
  }
  let isThere = false
  for (const value of test.values) isThere ||= value >= least && value <= most
  if (!isThere) return 'none'
  return least === most ? 'all' : 'some'
}

const EVERYTHING: Range = { from: -Infinity, to: Infinity }
const NOTHING: Range = { from: Infinity, to: -Infinity }

/** A range in which the number of every message lies for which the condition holds; `from` is not below `to` where it holds for none. */
export function hullOf(condition: Condition, field: 'position' | 'timestamp', isNegated = false): Range {
  switch (condition.kind) {
    case 'all':
      return isNegated ? NOTHING : EVERYTHING
    case 'none':
      return isNegated ? EVERYTHING : NOTHING
    case 'not':
      return hullOf(condition.part, field, !isNegated)
    case 'and':
    case 'or': {
      const hulls = condition.parts.map((part) => hullOf(part, field, isNegated))
      return (condition.kind === 'and') === isNegated ? hulls.reduce(union, NOTHING) : hulls.reduce(intersection, EVERYTHING)
    }
    case 'number':
      return condition.field === field ? numberHull(condition.test, isNegated) : EVERYTHING
    case 'bytes':
    case 'jq':
    case 'unknown':
      return EVERYTHING
    default:
      throw new TypeError(`no condition ${String(condition satisfies never)}`)
  }
}

function numberHull(test: NumberTest, isNegated: boolean): Range {
  if (test.kind === 'in') {
    if (isNegated) return EVERYTHING
    let hull = NOTHING
    for (const value of test.values) hull = union(hull, { from: Math.ceil(value), to: Math.floor(value) + 1 })
    return hull
  }
  const { from, to } = test.range
  if (!isNegated) return test.range
  if (from === -Infinity) return { from: to, to: Infinity }
  return to === Infinity ? { from: -Infinity, to: from } : EVERYTHING
}

export const intersection = (a: Range, b: Range): Range => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) })

function union(a: Range, b: Range): Range {
  if (a.from >= a.to) return b
  if (b.from >= b.to) return a
  return { from: Math.min(a.from, b.from), to: Math.max(a.to, b.to) }
}
