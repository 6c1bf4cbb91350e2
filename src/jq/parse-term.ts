import { parsePatterns } from './parse-pattern.ts'
import { parseText } from './parse-text.ts'
import { invalidProgram } from './source.ts'
import type { Ast, ObjectEntry } from './syntax.ts'
import type { Rules, TokenReader } from './token-reader.ts'

const KEYWORDS = new Set(
  'def if then elif else end as reduce foreach try catch label import include module and or __loc__'.split(' '),
)

/** A term: a value, a call, a bracket or a statement, with all paths and question marks behind it. */
export function parseTerm(reader: TokenReader, rules: Rules): Ast {
  let term = parseHead(reader, rules)
  for (let suffixed: Ast | undefined = term; suffixed !== undefined; suffixed = parseSuffix(reader, rules, term)) term = suffixed
  return term
}

function parseSuffix(reader: TokenReader, rules: Rules, of: Ast): Ast | undefined {
  const token = reader.peek()
  if (token.kind === 'field') {
    reader.next()
    return { kind: 'index', of, key: { kind: 'literal', value: token.text.slice(1) }, optional: reader.accepts('?') }
  }
  if (reader.accepts('?')) return { kind: 'try', body: of, handler: undefined }
  if (reader.accepts('[')) return parseBracket(reader, rules, of)
  if (!reader.accepts('.')) return undefined
  if (reader.accepts('[')) return parseBracket(reader, rules, of)
  const key = parseText(reader, rules)
  if (key === undefined) throw reader.unexpected('a key, a text or "[" after "."')
  return { kind: 'index', of, key, optional: reader.accepts('?') }
}

function parseBracket(reader: TokenReader, rules: Rules, of: Ast): Ast {
  if (reader.accepts(']')) return { kind: 'iterate', of, optional: reader.accepts('?') }
  if (reader.accepts(':')) return parseSliceEnd(reader, rules, of, undefined)
  const key = rules.pipe(reader)
  if (reader.accepts(':')) return parseSliceEnd(reader, rules, of, key)
  reader.expects(']', 'or ":" in an index')
  return { kind: 'index', of, key, optional: reader.accepts('?') }
}

function parseSliceEnd(reader: TokenReader, rules: Rules, of: Ast, from: Ast | undefined): Ast {
  const to = from !== undefined && reader.sees(']') ? undefined : rules.pipe(reader)
  reader.expects(']', 'of a slice')
  return { kind: 'slice', of, from, to, optional: reader.accepts('?') }
}

function parseHead(reader: TokenReader, rules: Rules): Ast {
  const token = reader.peek()
  switch (token.kind) {
    case 'number':
      reader.next()
      return { kind: 'literal', value: token.value }
    case 'text':
    case 'format':
      return parseText(reader, rules)!
    case 'field':
      reader.next()
      return {
        kind: 'index',
        of: { kind: 'identity' },
        key: { kind: 'literal', value: token.text.slice(1) },
        optional: reader.accepts('?'),
      }
    case 'word':
      return parseWord(reader, rules)
    case 'punctuation':
      return parsePunctuation(reader, rules)
    case 'end':
    default:
      throw reader.unexpected('a value')
  }
}

function parsePunctuation(reader: TokenReader, rules: Rules): Ast {
  if (reader.accepts('..')) return { kind: 'recurse-default' }
  if (reader.accepts('.')) {
    const key = parseText(reader, rules)
    return key === undefined
      ? { kind: 'identity' }
      : { kind: 'index', of: { kind: 'identity' }, key, optional: reader.accepts('?') }
  }
  if (reader.sees('$')) return parseVariable(reader)
  if (reader.accepts('(')) {
    const inner = rules.pipe(reader)
    reader.expects(')', 'or an operator')
    return inner
  }
  if (reader.accepts('[')) {
    const items = reader.sees(']') ? undefined : rules.pipe(reader)
    reader.expects(']', 'or an operator')
    return { kind: 'array', items }
  }
  if (!reader.accepts('{')) throw reader.unexpected('a value')
  const entries: ObjectEntry[] = []
  while (!reader.sees('}')) {
    entries.push(parseObjectEntry(reader, rules))
    if (!reader.accepts(',')) break
  }
  reader.expects('}', 'or "," after a value (parentheses around a key or value that is an expression)')
  return { kind: 'object', entries }
}

function parseVariable(reader: TokenReader): Ast {
  const { at } = reader.next()
  if (reader.peek().kind !== 'word') throw reader.unexpected('the name of a variable')
  const name = reader.next().text
  return name === '__loc__' ? { kind: 'location', at } : { kind: 'variable', name, at }
}

function parseObjectEntry(reader: TokenReader, rules: Rules): ObjectEntry {
  if (reader.sees('$')) {
    const value = parseVariable(reader)
    return { key: { kind: 'literal', value: value.kind === 'variable' ? value.name : '__loc__' }, value }
  }
  const { at } = reader.peek()
  if (reader.accepts('(')) {
    const key = rules.pipe(reader)
    reader.expects(')', 'after the key')
    reader.expects(':', 'after the key')
    if (key.kind === 'literal' && typeof key.value !== 'string') {
      throw invalidProgram(reader.program, at, `${JSON.stringify(key.value)} cannot be a key: keys are texts`)
    }
    return { key, value: rules.entry(reader) }
  }
  const key: Ast | undefined =
    reader.peek().kind === 'word' ? { kind: 'literal', value: reader.next().text } : parseText(reader, rules)
  if (key === undefined || key.kind === 'format') {
    throw reader.unexpected('a key (a name, a text, or an expression in parentheses)')
  }
  return { key, value: reader.accepts(':') ? rules.entry(reader) : undefined }
}

function parseWord(reader: TokenReader, rules: Rules): Ast {
  if (reader.accepts('if')) return parseIf(reader, rules)
  if (reader.accepts('try')) {
    const body = reader.nested(() => rules.operand(reader))
    const handler = reader.accepts('catch') ? reader.nested(() => rules.operand(reader)) : undefined
    return { kind: 'try', body, handler }
  }
  if (reader.accepts('reduce')) return parseFold(reader, rules, 'reduce')
  if (reader.accepts('foreach')) return parseFold(reader, rules, 'foreach')
  const { text: name, at } = reader.peek()
  if (reader.accepts('break')) {
    reader.expects('$', 'and the label to break to')
    if (reader.peek().kind !== 'word') throw reader.unexpected('the name of a label')
    return { kind: 'break', name: reader.next().text, at }
  }
  if (KEYWORDS.has(name)) throw reader.unexpected('a value')
  reader.next()
  if (!reader.sees('(')) return wordOf(name, at)
  reader.next()
  const args = [rules.pipe(reader)]
  while (reader.accepts(';')) args.push(rules.pipe(reader))
  reader.expects(')', `or ";" after an argument of ${name}`)
  return { kind: 'call', name, args, at }
}

function wordOf(name: string, at: number): Ast {
  if (name === 'null') return { kind: 'literal', value: null }
  if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' }
  return { kind: 'call', name, args: [], at }
}

function parseIf(reader: TokenReader, rules: Rules): Ast {
  const condition = rules.pipe(reader)
  reader.expects('then', 'after the condition')
  const whenTrue = rules.pipe(reader)
  if (reader.accepts('elif')) return { kind: 'if', condition, whenTrue, otherwise: reader.nested(() => parseIf(reader, rules)) }
  const otherwise = reader.accepts('else') ? rules.pipe(reader) : undefined
  reader.expects('end', 'of "if"')
  return { kind: 'if', condition, whenTrue, otherwise }
}

function parseFold(reader: TokenReader, rules: Rules, kind: 'reduce' | 'foreach'): Ast {
  const source = reader.nested(() => parseTerm(reader, rules))
  reader.expects('as', `after the source of ${kind}`)
  const patterns = parsePatterns(reader, rules)
  reader.expects('(', `after the variables of ${kind}`)
  const init = rules.pipe(reader)
  reader.expects(';', `after the first value of ${kind}`)
  const update = rules.pipe(reader)
  const extract = kind === 'foreach' && reader.accepts(';') ? rules.pipe(reader) : undefined
  reader.expects(')', `of ${kind}`)
  return kind === 'reduce' ? { kind, source, patterns, init, update } : { kind, source, patterns, init, update, extract }
}
