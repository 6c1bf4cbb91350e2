import type { Token } from './lexer.ts'
import type { Ast } from './syntax.ts'
import { createTokenReader, type Rules, type TokenReader } from './token-reader.ts'

/** A text with or without a format before it, or a format alone; undefined where neither stands. */
export function parseText(reader: TokenReader, rules: Rules): Ast | undefined {
  const token = reader.peek()
  if (token.kind === 'text') {
    reader.next()
    return textOf(reader, rules, token, 'text')
  }
  if (token.kind !== 'format') return undefined
  reader.next()
  const format = token.text.slice(1)
  const after = reader.peek()
  if (after.kind !== 'text') return { kind: 'format', format, at: token.at }
  reader.next()
  return textOf(reader, rules, after, format)
}

function textOf(reader: TokenReader, rules: Rules, token: Extract<Token, { kind: 'text' }>, format: string): Ast {
  const [only] = token.parts
  if (token.parts.length === 1 && typeof only === 'string') return { kind: 'literal', value: only }
  const parts = token.parts.map((part) => (typeof part === 'string' ? part : parsePart(reader, rules, part)))
  return { kind: 'text', format, parts, at: token.at }
}

function parsePart(reader: TokenReader, rules: Rules, tokens: readonly Token[]): Ast {
  return reader.nested(() => {
    const inner = createTokenReader(reader.program, tokens, reader.depth())
    const tree = rules.pipe(inner)
    if (inner.peek().kind !== 'end') throw inner.unexpected('")" of the interpolation')
    return tree
  })
}
