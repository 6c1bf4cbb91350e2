import type { MillpondError } from '../errors.ts'
import type { Token } from './lexer.ts'
import { invalidProgram } from './source.ts'
import type { Ast } from './syntax.ts'

/** Tokens of a program as the parser takes them. Tokens after the last one are the last one again. */
export interface TokenReader {
  readonly program: string
  readonly peek: () => Token
  readonly next: () => Token
  /** Whether the next token is this punctuation or word. */
  readonly sees: (text: string) => boolean
  /** Takes the next token where it is this punctuation or word. */
  readonly accepts: (text: string) => boolean
  /** Takes this punctuation or word. @throws MillpondError `JQ_INVALID` where something else stands there. */
  readonly expects: (text: string, where: string) => Token
  /** The error that says what was expected instead of the next token. */
  readonly unexpected: (expected: string) => MillpondError
  /** Runs a rule that can hold itself. @throws MillpondError `JQ_INVALID` where rules hold each other too deeply. */
  readonly nested: <T>(rule: () => T) => T
  /** How many rules hold the one that runs. */
  readonly depth: () => number
}

/** The rules that the rules of terms and patterns come back to. */
export interface Rules {
  readonly pipe: (reader: TokenReader) => Ast
  /** An expression without a comma outside of brackets: the value of a key. */
  readonly entry: (reader: TokenReader) => Ast
  /** What `try` and `catch` take: a term, with a sign or with `as` behind it at most. */
  readonly operand: (reader: TokenReader) => Ast
}

/** How deeply expressions can stand in each other: what the stack of any thread bears. */
const MAX_NESTING = 200

export function createTokenReader(program: string, tokens: readonly Token[], outerDepth = 0): TokenReader {
  let position = 0
  let depth = outerDepth
  const peek = () => tokens[Math.min(position, tokens.length - 1)]!
  const next = () => {
    const token = peek()
    position++
    return token
  }
  const sees = (text: string) => {
    const token = peek()
    return token.text === text && (token.kind === 'punctuation' || token.kind === 'word')
  }
  const accepts = (text: string) => {
    const seen = sees(text)
    if (seen) position++
    return seen
  }
  const unexpected = (expected: string) => {
    const { text, kind, at } = peek()
    return invalidProgram(program, at, `${expected} expected instead of ${kind === 'end' ? text : JSON.stringify(text)}`)
  }
  const expects = (text: string, where: string) => {
    if (!sees(text)) throw unexpected(`"${text}" ${where}`)
    return next()
  }
  const nested = <T>(rule: () => T): T => {
    if (++depth > MAX_NESTING)
      throw invalidProgram(program, peek().at, `expressions stand in each other more than ${MAX_NESTING} deep`)
    const result = rule()
    depth--
    return result
  }
  return { program, peek, next, sees, accepts, expects, unexpected, nested, depth: () => depth }
}
