import { parseText } from './parse-text.ts'
import type { Ast, Pattern, PatternField } from './syntax.ts'
import type { Rules, TokenReader } from './token-reader.ts'

/** One pattern, or several between `?//`: the first that fits counts. */
export function parsePatterns(reader: TokenReader, rules: Rules): readonly Pattern[] {
  const patterns = [parsePattern(reader, rules)]
  while (reader.accepts('?//')) patterns.push(parsePattern(reader, rules))
  return patterns
}

function parsePattern(reader: TokenReader, rules: Rules): Pattern {
  return reader.nested(() => {
    if (reader.accepts('$')) return { kind: 'name', name: parseVariable(reader) }
    if (reader.accepts('[')) {
      const items = parseList(reader, () => parsePattern(reader, rules))
      reader.expects(']', 'or "," in a pattern')
      return { kind: 'items', items }
    }
    if (!reader.accepts('{')) throw reader.unexpected('"$", "[" or "{" of a pattern')
    const fields = parseList(reader, () => parseField(reader, rules))
    reader.expects('}', 'or "," in a pattern')
    return { kind: 'fields', fields }
  })
}

function parseField(reader: TokenReader, rules: Rules): PatternField {
  if (reader.accepts('$')) {
    const name = parseVariable(reader)
    const pattern = reader.accepts(':') ? parsePattern(reader, rules) : undefined
    return { key: { kind: 'literal', value: name }, name, pattern }
  }
  const key = parseKey(reader, rules)
  reader.expects(':', 'after a key of a pattern')
  return { key, name: undefined, pattern: parsePattern(reader, rules) }
}

function parseKey(reader: TokenReader, rules: Rules): Ast {
  if (reader.accepts('(')) {
    const key = rules.pipe(reader)
    reader.expects(')', 'after the key')
    return key
  }
  if (reader.peek().kind === 'word') return { kind: 'literal', value: reader.next().text }
  const text = parseText(reader, rules)
  if (text === undefined) throw reader.unexpected('a key')
  return text
}

function parseVariable(reader: TokenReader): string {
  if (reader.peek().kind !== 'word') throw reader.unexpected('the name of a variable')
  return reader.next().text
}

function parseList<T>(reader: TokenReader, parse: () => T): T[] {
  const items = [parse()]
  while (reader.accepts(',')) items.push(parse())
  return items
}
