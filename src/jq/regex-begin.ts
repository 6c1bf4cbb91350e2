import { spend } from './budget.ts'
import type { RegexNode } from './regex-tree.ts'

/** A character or class of a pattern. */
type CharNode = Extract<RegexNode, { kind: 'char' }>

/** The characters one of which a part of a pattern must begin with; undefined where it can be empty or that is not known. */
export function beginsOf(node: RegexNode): readonly CharNode[] | undefined {
  if (node.kind === 'char') return [node]
  if (node.kind === 'group') return beginsOf(node.item)
  if (node.kind === 'all') return node.items.length === 0 ? undefined : beginsOf(node.items[0]!)
  if (node.kind === 'repeat') return node.least === 0 ? undefined : beginsOf(node.item)
  if (node.kind !== 'either') return undefined
  const all = node.options.map(beginsOf)
  return all.every((one) => one !== undefined) ? all.flat() : undefined
}

/** Whether no character is in both. False where that is not known. */
export function areApart(some: readonly CharNode[], others: readonly CharNode[]): boolean {
  if (some.length * others.length > MAX_PAIRS) return false
  return some.every((a) => others.every((b) => isOutside(a, b) || isOutside(b, a)))
}

/** What is JavaScript's for a character or class, for one code point as a text. */
export const charRegex = ({ text, ignoresCase }: CharNode): RegExp => new RegExp(`^${text}$`, ignoresCase ? 'vi' : 'v')

const MAX_PAIRS = 64
const MAX_POINTS = 128
/** What comparing costs. */
const STEPS_A_CLASS = 32

/** Whether a class of few characters has none of another one. */
function isOutside(few: CharNode, other: CharNode): boolean {
  const points = pointsOf(few.text)
  if (points === undefined) return false
  if (!few.ignoresCase && !other.ignoresCase) {
    const others = pointsOf(other.text)
    if (others !== undefined) return !points.some((point) => others.includes(point))
  }
  spend(STEPS_A_CLASS)
  const regex = charRegex(other.ignoresCase || !few.ignoresCase ? other : { ...other, ignoresCase: true })
  return points.every((point) => !regex.test(String.fromCodePoint(point)))
}

const CHAR = String.raw`(?:\\u\{[\da-f]+\}|[^\\\[\]])`
const SIMPLE = new RegExp(String.raw`^(?:${CHAR}|\[(?:${CHAR}(?:-${CHAR})?)+\])$`, 'u')
const PART = new RegExp(`(${CHAR})(?:-(${CHAR}))?`, 'gu')

/** The code points of a character or a class, as they are written; undefined for a class of many, or of more than characters and ranges. */
function pointsOf(text: string): readonly number[] | undefined {
  if (!SIMPLE.test(text) || text.startsWith('[^')) return undefined
  const points: number[] = []
  for (const [, from, to] of (text.startsWith('[') ? text.slice(1, -1) : text).matchAll(PART)) {
    const [first, last] = [pointOf(from!), pointOf(to ?? from!)]
    if (points.length + last - first >= MAX_POINTS) return undefined
    for (let point = first; point <= last; point++) points.push(point)
  }
  return points
}

const pointOf = (char: string): number => (char.startsWith('\\') ? Number.parseInt(char.slice(3, -1), 16) : char.codePointAt(0)!)
