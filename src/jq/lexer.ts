import { invalidProgram } from './source.ts'

export type Token =
  | { readonly kind: 'punctuation' | 'word' | 'field' | 'format' | 'end'; readonly text: string; readonly at: number }
  | { readonly kind: 'number'; readonly text: string; readonly value: number; readonly at: number }
  | { readonly kind: 'text'; readonly text: string; readonly parts: readonly (string | readonly Token[])[]; readonly at: number }

/** Where reading stands. */
interface Cursor {
  readonly program: string
  at: number
}

const PUNCTUATION = '?// //= |= += -= *= /= %= == != <= >= // .. . ? = ; , : | + - * / % $ < > ( ) [ ] { }'.split(' ')
const SPACE = /(?:[ \n\t\r]+|#[^\r\n]*)+/uy
const NUMBER = /(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/uy
const WORD = /(?:[a-zA-Z_]\w*::)*[a-zA-Z_]\w*/uy
const FIELD = /\.[a-zA-Z_]\w*/uy
const FORMAT = /@\w+/uy
const PLAIN = /[^"\\]+/uy
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f', '/': '/', '\\': '\\', '"': '"' }

/** The tokens of a program, the last one of kind `end`. */
export const tokensOf = (program: string): readonly Token[] => readTokens({ program, at: 0 }, undefined)

/** Reads to the end, or to the parenthesis that closes the `\(` at `opened`. */
function readTokens(cursor: Cursor, opened: number | undefined): Token[] {
  const tokens: Token[] = []
  for (let depth = 0; ;) {
    match(cursor, SPACE)
    const at = cursor.at
    if (at >= cursor.program.length) {
      if (opened !== undefined) throw invalidProgram(cursor.program, opened, String.raw`"\(" is not closed`)
      tokens.push({ kind: 'end', text: 'the end of the program', at })
      return tokens
    }
    const token = readToken(cursor)
    if (token.kind === 'punctuation' && opened !== undefined) {
      if (token.text === '(') depth++
      if (token.text === ')' && depth-- === 0) {
        tokens.push({ kind: 'end', text: ')', at })
        return tokens
      }
    }
    tokens.push(token)
  }
}

function readToken(cursor: Cursor): Token {
  const { program, at } = cursor
  if (program[at] === '"') return readText(cursor)
  const field = match(cursor, FIELD)
  if (field !== undefined) return { kind: 'field', text: field, at }
  const number = match(cursor, NUMBER)
  if (number !== undefined) return { kind: 'number', text: number, value: Number(number), at }
  const word = match(cursor, WORD)
  if (word !== undefined) return { kind: 'word', text: word, at }
  const format = match(cursor, FORMAT)
  if (format !== undefined) return { kind: 'format', text: format, at }
  // `.a?//=1` is `.a?` and `//=`, whatever else begins with `?//`.
  const punctuation = program.startsWith('?//=', at) ? '?' : PUNCTUATION.find((text) => program.startsWith(text, at))
  if (punctuation === undefined) {
    throw invalidProgram(program, at, `${JSON.stringify(String.fromCodePoint(program.codePointAt(at)!))} is not understood here`)
  }
  cursor.at += punctuation.length
  return { kind: 'punctuation', text: punctuation, at }
}

function readText(cursor: Cursor): Token {
  const { program, at } = cursor
  const parts: (string | readonly Token[])[] = []
  let plain = ''
  for (cursor.at++; ;) {
    plain += match(cursor, PLAIN) ?? ''
    const next = program[cursor.at]
    if (next === undefined) throw invalidProgram(program, at, 'the text that begins here is not closed by a quotation mark')
    if (next === '"') break
    if (program[cursor.at + 1] === '(') {
      parts.push(plain.toWellFormed())
      plain = ''
      cursor.at += 2
      parts.push(readTokens(cursor, cursor.at - 2))
    } else {
      plain += readEscape(cursor)
    }
  }
  cursor.at++
  parts.push(plain.toWellFormed())
  return { kind: 'text', text: program.slice(at, cursor.at), parts, at }
}

function readEscape(cursor: Cursor): string {
  const { program, at } = cursor
  const sign = program[at + 1] ?? ''
  if (sign === 'u') {
    const digits = program.slice(at + 2, at + 6)
    if (!/^[\da-fA-F]{4}$/u.test(digits)) throw invalidProgram(program, at, String.raw`"\u" takes four hexadecimal digits`)
    cursor.at += 6
    return String.fromCharCode(Number.parseInt(digits, 16))
  }
  const char = ESCAPES[sign]
  if (char === undefined) throw invalidProgram(program, at, `"\\${sign}" is no escape that JSON knows`)
  cursor.at += 2
  return char
}

function match(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at
  const text = pattern.exec(cursor.program)?.[0]
  if (text === undefined) return undefined
  cursor.at += text.length
  return text
}
