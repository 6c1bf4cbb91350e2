import { areApart, beginsOf } from './regex-begin.ts'
import type { RegexNode } from './regex-tree.ts'

/** `factor` times the `degree`-th power of the length of the subject and one: what something takes at most. */
export interface Bound {
  readonly factor: number
  readonly degree: number
}

/** Of a part of a pattern, from one place: in how many ways it can match, and the steps that trying all of them takes. */
interface Cost {
  readonly ways: Bound
  readonly steps: Bound
}

/** What was found for the parts. */
type Costs = Map<RegexNode, Cost>

const ONE: Bound = { factor: 1, degree: 0 }
const LENGTH: Bound = { factor: 1, degree: 1 }
/** No bound. */
export const NEVER_ENDING: Bound = { factor: Infinity, degree: 0 }

const plus = (a: Bound, b: Bound): Bound => ({ factor: a.factor + b.factor, degree: Math.max(a.degree, b.degree) })
const times = (a: Bound, b: Bound): Bound => ({ factor: a.factor * b.factor, degree: a.degree + b.degree })

/**
 * What a backtracking search for a pattern over a whole subject takes at most, all matches of it together: each place where it can begin,
 * each way. Not the least such bound: `(?:ab|ac)*` is taken for exponential, though it is not.
 */
export function searchBound(tree: RegexNode): Bound {
  const { steps } = costOf(tree, new Map())
  return startsAtStart(tree) ? plus(LENGTH, steps) : times(LENGTH, steps)
}

/** The value of a bound for a subject. */
export const boundFor = ({ factor, degree }: Bound, chars: number): number =>
  degree === 0 ? factor : degree === 1 ? factor * (chars + 1) : factor * (chars + 1) ** degree

function costOf(node: RegexNode, costs: Costs): Cost {
  const known = costs.get(node)
  if (known !== undefined) return known
  const cost = costFrom(node, costs)
  costs.set(node, cost)
  return cost
}

function costFrom(node: RegexNode, costs: Costs): Cost {
  if (node.kind === 'char') return { ways: ONE, steps: ONE }
  if (node.kind === 'same') return { ways: ONE, steps: LENGTH }
  if (node.kind === 'all') return allCost(node.items, costs)
  if (node.kind === 'either') return eitherCost(node.options, costs)
  const item = costOf(node.item, costs)
  if (node.kind === 'look') return { ways: ONE, steps: plus(ONE, item.steps) }
  return node.kind === 'group' ? item : repeatCost(item, node.least, node.most)
}

function allCost(items: readonly RegexNode[], costs: Costs): Cost {
  let after: Cost = { ways: ONE, steps: ONE }
  for (let at = items.length - 1; at >= 0; at--) {
    const { ways, steps } = costOf(items[at]!, costs)
    const misses = missesBetween(items[at]!, items[at + 1], costs)
    after =
      misses === undefined
        ? { ways: times(ways, after.ways), steps: plus(steps, times(ways, after.steps)) }
        : { ways: after.ways, steps: plus(plus(steps, times(ways, { factor: misses, degree: 0 })), after.steps) }
  }
  return after
}

/**
 * Of a repetition and what comes after it, the steps in which that fails behind all but the last repetition: where another one begins
 * nothing else can. Undefined where that is not so.
 */
function missesBetween(node: RegexNode, next: RegexNode | undefined, costs: Costs): number | undefined {
  if (node.kind === 'group') return missesBetween(node.item, next, costs)
  if (node.kind !== 'repeat' || next === undefined || !isOneWay(costOf(node.item, costs))) return undefined
  const [again, other] = [beginsOf(node.item), beginsOf(next)]
  if (again === undefined || other === undefined || !areApart(again, other)) return undefined
  return 2 * other.length + 1
}

const isOneWay = ({ ways }: Cost): boolean => ways.factor <= 1 && ways.degree === 0

/** Where two alternatives never begin alike, only one of them goes on. */
function eitherCost(options: readonly RegexNode[], costs: Costs): Cost {
  const all = options.map((option) => costOf(option, costs))
  const begins = options.map(beginsOf)
  const seen: NonNullable<(typeof begins)[number]>[number][] = []
  const areAllApart = begins.every((one) => {
    if (one === undefined || !areApart(one, seen)) return false
    seen.push(...one)
    return true
  })
  const ways = all.map((cost) => cost.ways)
  return {
    ways: areAllApart
      ? { factor: Math.max(...ways.map(({ factor }) => factor)), degree: Math.max(...ways.map(({ degree }) => degree)) }
      : ways.reduce(plus),
    steps: all.map(({ steps }) => steps).reduce(plus, ONE),
  }
}

/** Each repetition beyond the least takes a character or ends. Where one has several ways, all of them have ways to the power of ways. */
function repeatCost({ ways, steps }: Cost, least: number, most: number): Cost {
  const times1: Bound = most === Infinity ? { factor: least + 1, degree: 1 } : { factor: most + 1, degree: 0 }
  if (isOneWay({ ways, steps })) return { ways: times1, steps: times(times1, plus(ONE, steps)) }
  if (most <= 1) return { ways: plus(ONE, ways), steps: plus(ONE, steps) }
  if (most > MOST_UNROLLED) return { ways: NEVER_ENDING, steps: NEVER_ENDING }
  let [allWays, allSteps] = [ONE, ONE]
  for (let time = 0; time < most; time++) {
    allSteps = plus(plus(ONE, steps), times(ways, allSteps))
    allWays = plus(ONE, times(ways, allWays))
  }
  return { ways: allWays, steps: allSteps }
}

const MOST_UNROLLED = 8

/** Whether it matches at the start of the subject alone. */
function startsAtStart(node: RegexNode): boolean {
  if (node.kind === 'all') return node.items.length > 0 && startsAtStart(node.items[0]!)
  if (node.kind === 'either') return node.options.every(startsAtStart)
  if (node.kind === 'group') return startsAtStart(node.item)
  return node.kind === 'look' && node.isBehind && node.isNot && node.item.kind === 'char' && node.item.text === '[^]'
}
