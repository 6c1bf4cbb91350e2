import { ATOMIC } from './regex-syntax.ts'

/** A pattern as a tree. Groups are numbered as JavaScript does, those that stand for atomic ones too. */
export type RegexNode =
  | { readonly kind: 'char'; readonly text: string; readonly ignoresCase: boolean }
  | { readonly kind: 'all'; readonly items: readonly RegexNode[] }
  | { readonly kind: 'either'; readonly options: readonly RegexNode[] }
  | RegexRepeat
  | { readonly kind: 'group'; readonly number: number; readonly item: RegexNode }
  | RegexLook
  | { readonly kind: 'same'; readonly groups: readonly number[]; readonly ignoresCase: boolean }

export interface RegexRepeat {
  readonly kind: 'repeat'
  readonly item: RegexNode
  readonly least: number
  readonly most: number
  readonly isLazy: boolean
  /** The groups in it, from and below: each repetition begins without what they captured. */
  readonly groups: readonly [from: number, below: number]
}

export interface RegexLook {
  readonly kind: 'look'
  readonly item: RegexNode
  readonly isBehind: boolean
  readonly isNot: boolean
  /** What was seen is passed too: an atomic group. */
  readonly isAtomic: boolean
}

interface State {
  readonly text: string
  readonly names: readonly (string | null)[]
  at: number
  groups: number
  ignoresCase: boolean
}

const NOTHING: RegexNode = { kind: 'all', items: [] }

/** Reads what `translateRegex` wrote, which is but a part of JavaScript's syntax and valid. `names` are those of the groups, by number. */
export function regexTree(text: string, names: readonly (string | null)[], ignoresCase: boolean): RegexNode {
  return readEither({ text, names, at: 0, groups: 0, ignoresCase })
}

function readEither(state: State): RegexNode {
  const options: RegexNode[] = []
  let items: RegexNode[] = []
  while (state.at < state.text.length && state.text[state.at] !== ')') {
    if (state.text[state.at] === '|') {
      state.at++
      options.push({ kind: 'all', items })
      items = []
      continue
    }
    items.push(readRepeat(state))
  }
  const last: RegexNode = items.length === 1 ? items[0]! : { kind: 'all', items }
  return options.length === 0 ? last : { kind: 'either', options: [...options, last] }
}

const QUANTIFIER = /(?:([*+?])|\{(\d+)(,?)(\d*)\})(\??)/uy

function readRepeat(state: State): RegexNode {
  const from = state.groups + 1
  const item = readItem(state)
  QUANTIFIER.lastIndex = state.at
  const found = QUANTIFIER.exec(state.text)
  if (found === null) return item
  const [all, sign, exactly, comma, upTo, lazy] = found
  state.at += all.length
  const least = sign === undefined ? Number(exactly) : sign === '+' ? 1 : 0
  const most = sign === undefined ? (comma === '' ? least : upTo === '' ? Infinity : Number(upTo)) : sign === '?' ? 1 : Infinity
  return { kind: 'repeat', item, least, most, isLazy: lazy !== '', groups: [from, state.groups + 1] }
}

const LOOKS: Readonly<Record<string, Pick<RegexLook, 'isBehind' | 'isNot'>>> = {
  '(?=': { isBehind: false, isNot: false },
  '(?!': { isBehind: false, isNot: true },
  '(?<=': { isBehind: true, isNot: false },
  '(?<!': { isBehind: true, isNot: true },
}
const OPENING = /\((?:\?(?:<?[=!]|<[^>]+>|-?i:|:))?/uy
const ATOM = /\\(?:u\{[^}]*\}|[pP]\{[^}]*\}|k<[^>]+>|[1-9]\d*|.)|[^]/uy

function readItem(state: State): RegexNode {
  const { text } = state
  if (text[state.at] === '[') return charOf(state, state.at, (state.at = classEnd(text, state.at)))
  if (text[state.at] === '(') return readGroup(state)
  const start = state.at
  ATOM.lastIndex = start
  const atom = ATOM.exec(text)![0]
  state.at += atom.length
  const reference = /^\\(?:k<(.+)>|([1-9]\d*))$/u.exec(atom)
  if (reference === null) return charOf(state, start, state.at)
  const [, name, number] = reference
  // What an atomic group saw is passed where it is seen.
  if (name?.startsWith(ATOMIC) === true) return NOTHING
  const groups = name === undefined ? [Number(number)] : state.names.flatMap((other, at) => (other === name ? [at] : []))
  return { kind: 'same', groups, ignoresCase: state.ignoresCase }
}

const charOf = ({ text, ignoresCase }: State, start: number, end: number): RegexNode => ({
  kind: 'char',
  text: text.slice(start, end),
  ignoresCase,
})

/** Behind the bracket that closes a class; classes stand in each other. */
function classEnd(text: string, start: number): number {
  let depth = 0
  for (let at = start; ; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '[') depth++
    else if (text[at] === ']' && --depth === 0) return at + 1
  }
}

function readGroup(state: State): RegexNode {
  OPENING.lastIndex = state.at
  const opening = OPENING.exec(state.text)![0]
  state.at += opening.length
  const { ignoresCase } = state
  if (opening.endsWith('i:')) state.ignoresCase = !opening.includes('-')
  const look = LOOKS[opening]
  const isGroup = look === undefined && !opening.endsWith(':')
  const number = isGroup ? ++state.groups : 0
  const first = state.groups + 1
  const item = readEither(state)
  state.at++
  state.ignoresCase = ignoresCase
  if (look !== undefined) {
    return { kind: 'look', item, ...look, isAtomic: item.kind === 'group' && item.number === first && isAtomic(state, first) }
  }
  return isGroup ? { kind: 'group', number, item } : item
}

const isAtomic = ({ names }: State, group: number): boolean => names[group]?.startsWith(ATOMIC) === true
