import { raise } from './raised.ts'

/** The flags of `test`, `match` and the like. */
export interface RegexFlags {
  readonly isGlobal: boolean
  readonly ignoresCase: boolean
  /** White space and comments in the pattern mean nothing. */
  readonly isExtended: boolean
  /** A dot stands for line feeds too. */
  readonly dotTakesAll: boolean
  readonly leavesOutEmpty: boolean
}

/** Where reading a pattern of Oniguruma stands, and what has been written of it for JavaScript. */
interface State {
  readonly pattern: string
  at: number
  isExtended: boolean
  dotTakesAll: boolean
  /** How many groups have been made to stand for atomic ones; they are left out of what was captured. */
  atomic: number
}

/** Groups of this name are no captures of the pattern's own. */
export const ATOMIC = '__atomic'

const LETTER = String.raw`\p{L}\p{M}\p{N}\p{Pc}`
const CLASSES: Readonly<Record<string, string>> = {
  d: String.raw`\p{Nd}`,
  D: String.raw`\P{Nd}`,
  w: `[${LETTER}]`,
  W: `[^${LETTER}]`,
  s: String.raw`[\t-\r \u0085\p{Z}]`,
  S: String.raw`[^\t-\r \u0085\p{Z}]`,
}
const POSIX: Readonly<Record<string, string>> = {
  alnum: String.raw`\p{L}\p{M}\p{Nd}`,
  alpha: String.raw`\p{L}\p{M}`,
  ascii: String.raw`\x00-\x7f`,
  blank: String.raw`\t\p{Zs}`,
  cntrl: String.raw`\p{Cc}`,
  digit: String.raw`\p{Nd}`,
  graph: String.raw`[[\S]--[\p{Cc}\p{Cn}\p{Cs}]]`,
  lower: String.raw`\p{Ll}`,
  print: String.raw`[[\S\p{Zs}]--[\p{Cc}\p{Cn}\p{Cs}]]`,
  punct: String.raw`\p{P}\p{S}`,
  space: String.raw`\t-\r \u0085\p{Z}`,
  upper: String.raw`\p{Lu}`,
  word: LETTER,
  xdigit: '0-9a-fA-F',
}
const CONTROLS: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f', v: '\v', a: '\u0007', e: '\u001B' }
const ANCHORS: Readonly<Record<string, string>> = {
  A: '(?<![^])',
  z: '(?![^])',
  Z: String.raw`(?=\n?(?![^]))`,
  b: `(?:(?<=[${LETTER}])(?![${LETTER}])|(?<![${LETTER}])(?=[${LETTER}]))`,
  B: `(?:(?<=[${LETTER}])(?=[${LETTER}])|(?<![${LETTER}])(?![${LETTER}]))`,
  R: String.raw`(?:\r\n|[\n-\r\u0085\u2028\u2029])`,
}

/** A pattern as Oniguruma reads it, in the syntax of JavaScript's flag `v`. Raises where a construct has no counterpart. */
export function translateRegex(pattern: string, flags: RegexFlags): string {
  const state: State = { pattern, at: 0, isExtended: flags.isExtended, dotTakesAll: flags.dotTakesAll, atomic: 0 }
  const text = readAlternatives(state)
  if (state.at < pattern.length) fail('unmatched close parenthesis')
  return text
}

function fail(reason: string): never {
  raise(`Regex failure: ${reason}`)
}

/** Everything up to the parenthesis that closes the group, or to the end. */
function readAlternatives(state: State): string {
  let text = ''
  while (state.at < state.pattern.length && state.pattern[state.at] !== ')') {
    if (state.pattern[state.at] === '|') {
      text += '|'
      state.at++
      continue
    }
    const quoted = /^\\Q([^]*?)(?:\\E|$)/u.exec(state.pattern.slice(state.at))
    if (quoted !== null) {
      state.at += quoted[0].length
      text += Array.from(quoted[1]!, literal).join('')
      continue
    }
    const options = /^\(\?([imsx]*)(?:-([imsx]*))?\)/u.exec(state.pattern.slice(state.at))
    if (options !== null) {
      state.at += options[0].length
      // They hold to the end of the group, whatever alternatives it has.
      return text + withOptions(state, options[1]!, options[2] ?? '', () => readAlternatives(state))
    }
    const atom = readAtom(state)
    text += atom === '' ? '' : readQuantifier(state, atom)
  }
  return text
}

/** What is read with other options. `m` is known and changes nothing: `^` and `$` stand for the ends of the text alone. */
function withOptions(state: State, on: string, off: string, read: () => string): string {
  const { isExtended, dotTakesAll } = state
  state.isExtended = (isExtended || on.includes('x')) && !off.includes('x')
  state.dotTakesAll = (dotTakesAll || on.includes('s')) && !off.includes('s')
  const inner = read()
  Object.assign(state, { isExtended, dotTakesAll })
  if (off.includes('i')) return `(?-i:${inner})`
  return on.includes('i') ? `(?i:${inner})` : `(?:${inner})`
}

function readAtom(state: State): string {
  const char = String.fromCodePoint(state.pattern.codePointAt(state.at)!)
  if (state.isExtended && /\s/u.test(char)) {
    state.at++
    return ''
  }
  if (state.isExtended && char === '#') {
    const end = state.pattern.indexOf('\n', state.at)
    state.at = end < 0 ? state.pattern.length : end + 1
    return ''
  }
  switch (char) {
    case '\\':
      return readEscape(state)
    case '[':
      return readClass(state)
    case '(':
      return readGroup(state)
    case '.':
      state.at++
      return state.dotTakesAll ? '[^]' : String.raw`[^\n]`
    case '^':
      state.at++
      return ANCHORS['A']!
    case '$':
      state.at++
      return ANCHORS['Z']!
    case '*':
    case '+':
    case '?':
      return fail('target of repeat operator is not specified')
    default:
      state.at += char.length
      return literal(char)
  }
}

/** A character that stands for itself, in a class or not. */
const literal = (char: string): string =>
  /[\^$\\.*+?()[\]{}|/\-&!#%,:;<=>@`~]/u.test(char) ? `\\u{${char.codePointAt(0)!.toString(16)}}` : char

function readQuantifier(state: State, atom: string): string {
  const found = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})([?+]?)/u.exec(state.pattern.slice(state.at))
  if (found === null) return atom
  const [text, least, comma, most, mode] = found
  const isInterval = text.startsWith('{')
  state.at += text.length
  const times = isInterval ? `{${least!}${comma!}${most!}}` : text[0]!
  const repeated = `(?:${atom})${times}`
  if (mode === '+') return atomicGroup(state, repeated)
  const once = repeated + (mode ?? '')
  return /^[*+?]/u.test(state.pattern.slice(state.at)) ? readQuantifier(state, `(?:${once})`) : once
}

/** What matches what is in it once, and is not tried again: a look-ahead that captures, and what it captured. */
function atomicGroup(state: State, inner: string): string {
  const name = `${ATOMIC}${state.atomic++}`
  return String.raw`(?:(?=(?<${name}>${inner}))\k<${name}>)`
}

const OPENINGS: Readonly<Record<string, string>> = { '?:': '(?:', '?=': '(?=', '?!': '(?!', '?<=': '(?<=', '?<!': '(?<!' }

function readGroup(state: State): string {
  const rest = state.pattern.slice(state.at + 1)
  const comment = /^\?#(?:[^\\)]|\\[^])*\)/u.exec(rest)
  if (comment !== null) {
    state.at += 1 + comment[0].length
    return ''
  }
  const opening = Object.keys(OPENINGS).find((text) => rest.startsWith(text))
  const named = /^\?<([\p{L}_][\p{L}\p{N}_]*)>/u.exec(rest)
  const options = /^\?([imsx]*)(?:-([imsx]*))?:/u.exec(rest)
  if (opening !== undefined) return closed(state, opening.length, (inner) => `${OPENINGS[opening]!}${inner})`)
  if (named !== null) return closed(state, named[0].length, (inner) => `(?<${named[1]!}>${inner})`)
  if (rest.startsWith('?>')) return closed(state, 2, (inner) => atomicGroup(state, inner))
  if (options !== null) {
    return withOptions(state, options[1]!, options[2] ?? '', () => closed(state, options[0].length, (inner) => inner))
  }
  if (rest.startsWith('?')) fail('undefined group option')
  return closed(state, 0, (inner) => `(${inner})`)
}

function closed(state: State, openingChars: number, wrap: (inner: string) => string): string {
  state.at += 1 + openingChars
  const inner = readAlternatives(state)
  if (state.pattern[state.at] !== ')') fail('end pattern with unmatched parenthesis')
  state.at++
  return wrap(inner)
}

function readEscape(state: State): string {
  const sign = state.pattern[state.at + 1]
  if (sign === undefined) fail('end pattern at escape')
  const reference = /^\\(?:([1-9]\d?)|k<([^>]+)>)/u.exec(state.pattern.slice(state.at))
  if (Object.hasOwn(ANCHORS, sign)) {
    state.at += 2
    return ANCHORS[sign]!
  }
  if (reference !== null) {
    state.at += reference[0].length
    return reference[1] === undefined ? String.raw`(?:\k<${reference[2]!}>)` : `(?:\\${reference[1]})`
  }
  if ('gGKXyY'.includes(sign)) fail(`\\${sign} is not supported`)
  return readClassEscape(state)
}

/** An escape that can stand in a class too. */
function readClassEscape(state: State): string {
  const rest = state.pattern.slice(state.at)
  const code = /^\\(?:x\{([\da-fA-F]{1,8})\}|x([\da-fA-F]{1,2})|(0[0-7]{0,2}))/u.exec(rest)
  if (code !== null) {
    state.at += code[0].length
    const point = code[3] === undefined ? Number.parseInt(code[1] ?? code[2]!, 16) : Number.parseInt(code[3], 8)
    if (point > 0x10_ff_ff) fail('too big wide-char value')
    return String.raw`\u{${point.toString(16)}}`
  }
  const property = /^\\([pP])\{(\^?)([\w ]+)\}/u.exec(rest)
  if (property !== null) {
    state.at += property[0].length
    return propertyOf(property[3]!, (property[1] === 'P') !== (property[2] === '^'))
  }
  const sign = String.fromCodePoint(state.pattern.codePointAt(state.at + 1) ?? 0x5c)
  state.at += 1 + sign.length
  if (Object.hasOwn(CLASSES, sign)) return CLASSES[sign]!
  return literal(Object.hasOwn(CONTROLS, sign) ? CONTROLS[sign]! : sign)
}

function propertyOf(name: string, isNot: boolean): string {
  const posix = Object.hasOwn(POSIX, name.toLowerCase()) ? POSIX[name.toLowerCase()] : undefined
  if (posix !== undefined) return `[${isNot ? '^' : ''}${posix}]`
  const value = name.length <= 2 || /^(?:Any|Assigned|ASCII)$/u.test(name) ? name : `Script=${name}`
  return `\\${isNot ? 'P' : 'p'}{${value}}`
}

function readClass(state: State): string {
  const isNot = state.pattern[state.at + 1] === '^'
  state.at += isNot ? 2 : 1
  let items = ''
  for (let isFirst = true; ; isFirst = false) {
    const rest = state.pattern.slice(state.at)
    if (rest === '') fail('premature end of char-class')
    if (rest.startsWith(']') && !isFirst) break
    if (rest.startsWith(']') && !rest.includes(']', 1)) fail('empty char-class')
    items += readClassItem(state, rest)
  }
  state.at++
  return `[${isNot ? '^' : ''}${items}]`
}

function readClassItem(state: State, rest: string): string {
  const posix = /^\[:(\^?)(\w+):\]/u.exec(rest)
  if (posix !== null) {
    if (!Object.hasOwn(POSIX, posix[2]!)) fail('invalid POSIX bracket type')
    state.at += posix[0].length
    return `[${posix[1]!}${POSIX[posix[2]!]!}]`
  }
  const from = readClassChar(state)
  const next = state.pattern.slice(state.at, state.at + 2)
  if (!next.startsWith('-') || next === '-]' || next.length < 2 || !isOneChar(from)) return from
  state.at++
  const to = readClassChar(state)
  return isOneChar(to) ? `${from}-${to}` : fail('char-class value at end of range')
}

const isOneChar = (text: string): boolean => !text.startsWith('[') && !/^\\[pP]/u.test(text)

function readClassChar(state: State): string {
  if (state.pattern[state.at] !== '\\') {
    const char = String.fromCodePoint(state.pattern.codePointAt(state.at)!)
    state.at += char.length
    return literal(char)
  }
  if (state.pattern[state.at + 1] === 'b') {
    state.at += 2
    return String.raw`\u{8}`
  }
  return readClassEscape(state)
}
