import { tokensOf } from './lexer.ts'
import { parsePatterns } from './parse-pattern.ts'
import { parseTerm } from './parse-term.ts'
import { invalidProgram } from './source.ts'
import type { AssignOperator, Ast, BinaryOperator, Definition, Param } from './syntax.ts'
import { createTokenReader, type Rules, type TokenReader } from './token-reader.ts'

const rules: Rules = { pipe: parsePipe, entry: parseEntry, operand: parseOperand }

/** How tightly operators bind, and what stands on their right: an operator of the next level, of the same, or none of the same. */
const LEVELS: Readonly<Record<string, { readonly level: number; readonly binds: 'left' | 'right' | 'none' }>> =
  Object.fromEntries(
    (
      [
        ['left', [',']],
        ['right', ['//']],
        ['none', ['=', '|=', '+=', '-=', '*=', '/=', '%=', '//=']],
        ['left', ['or']],
        ['left', ['and']],
        ['none', ['==', '!=', '<', '<=', '>', '>=']],
        ['left', ['+', '-']],
        ['left', ['*', '/', '%']],
      ] as const
    ).flatMap(([binds, operators], index) => operators.map((operator) => [operator, { level: index + 1, binds }])),
  )
const COMMA = LEVELS[',']!.level
const ALTERNATIVE = LEVELS['//']!.level
const FACTOR = LEVELS['*']!.level

/**
 * The tree of a program; an empty one gives its input.
 * @throws MillpondError `JQ_INVALID` that says line, column and what was expected.
 */
export function parseProgram(program: string): Ast {
  const reader = createTokenReader(program, tokensOf(program))
  if (['module', 'import', 'include'].some((word) => reader.sees(word))) {
    throw invalidProgram(program, reader.peek().at, 'modules cannot be loaded: programs have no access to files')
  }
  const tree = parseMain(reader)
  if (reader.peek().kind !== 'end') throw reader.unexpected('an operator or the end of the program')
  return tree
}

/** Definitions alone are a program too. */
function parseMain(reader: TokenReader): Ast {
  if (reader.peek().kind === 'end') return { kind: 'identity' }
  if (!reader.accepts('def')) return parsePipe(reader)
  const definition = parseDefinition(reader)
  return { kind: 'define', definition, body: parseMain(reader) }
}

function parsePipe(reader: TokenReader): Ast {
  return reader.nested(() => {
    if (reader.accepts('def')) {
      const definition = parseDefinition(reader)
      return { kind: 'define', definition, body: parsePipe(reader) }
    }
    const left = parseBinary(reader, COMMA)
    return reader.accepts('|') ? { kind: 'pipe', left, right: parsePipe(reader) } : left
  })
}

function parseEntry(reader: TokenReader): Ast {
  const left = parseBinary(reader, ALTERNATIVE)
  return reader.accepts('|') ? { kind: 'pipe', left, right: parseEntry(reader) } : left
}

function parseBinary(reader: TokenReader, lowest: number): Ast {
  let left = parseOperand(reader)
  for (let noneOf: number | undefined; ;) {
    const token = reader.peek()
    // After a term, `?//` can only be `?` and `//`.
    if (token.kind === 'punctuation' && token.text === '?//') {
      if (ALTERNATIVE < lowest) return { kind: 'try', body: left, handler: undefined }
      reader.next()
      left = makeBinary('//', { kind: 'try', body: left, handler: undefined }, parseBinary(reader, ALTERNATIVE))
      continue
    }
    const rule = token.kind === 'punctuation' || token.kind === 'word' ? operatorOf(token.text) : undefined
    if (rule === undefined || rule.level < lowest) return left
    if (rule.level === noneOf) throw reader.unexpected(`parentheses (${token.text} cannot follow an operator of its kind)`)
    reader.next()
    left = makeBinary(token.text, left, parseBinary(reader, rule.binds === 'right' ? rule.level : rule.level + 1))
    noneOf = rule.binds === 'none' ? rule.level : undefined
  }
}

const operatorOf = (text: string) => (Object.hasOwn(LEVELS, text) ? LEVELS[text] : undefined)

function makeBinary(operator: string, left: Ast, right: Ast): Ast {
  switch (operator) {
    case ',':
      return { kind: 'comma', left, right }
    case '//':
      return { kind: 'alternative', left, right }
    case 'or':
    case 'and':
      return { kind: operator, left, right }
    default:
      return operator.endsWith('=') && !['==', '!=', '<=', '>='].includes(operator)
        ? { kind: 'assign', operator: operator as AssignOperator, left, right }
        : { kind: 'binary', operator: operator as BinaryOperator, left, right }
  }
}

function parseOperand(reader: TokenReader): Ast {
  if (reader.accepts('-')) return { kind: 'negate', of: reader.nested(() => parseBinary(reader, FACTOR)) }
  if (reader.sees('def')) return parsePipe(reader)
  if (reader.accepts('label')) {
    reader.expects('$', 'and a name')
    const name = parseName(reader, 'the name of a label')
    reader.expects('|', 'after the label')
    return { kind: 'label', name, body: parsePipe(reader) }
  }
  const term = parseTerm(reader, rules)
  if (!reader.accepts('as')) return term
  const patterns = parsePatterns(reader, rules)
  reader.expects('|', 'after the variables')
  return { kind: 'bind', source: term, patterns, body: parsePipe(reader) }
}

function parseName(reader: TokenReader, expected: string): string {
  if (reader.peek().kind !== 'word') throw reader.unexpected(expected)
  return reader.next().text
}

function parseDefinition(reader: TokenReader): Definition {
  const name = parseName(reader, 'the name of a function')
  const params: Param[] = []
  if (reader.accepts('(')) {
    do {
      const isValue = reader.accepts('$')
      params.push({ name: parseName(reader, 'the name of a parameter'), isValue })
    } while (reader.accepts(';'))
    reader.expects(')', 'or ";" after a parameter')
  }
  reader.expects(':', 'before the body of the function')
  const body = parsePipe(reader)
  reader.expects(';', 'after the body of the function')
  return { name, params, body }
}

/** The definition that a text holds, which begins with `def`. */
export function parseDefinitionText(text: string): Definition {
  const reader = createTokenReader(text, tokensOf(text))
  reader.expects('def', 'of a definition')
  return parseDefinition(reader)
}
