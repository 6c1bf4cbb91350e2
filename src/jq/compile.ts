import { spend } from './budget.ts'
import { builtinCode } from './builtins.ts'
import { type Code, IDENTITY, constant, direct } from './code.ts'
import { define, labelAway, ownCallCode, variableCode } from './compile-call.ts'
import {
  alternativeCode,
  bindCode,
  breakCode,
  commaCode,
  foreachCode,
  ifCode,
  labelCode,
  pipeCode,
  reduceCode,
  tryCode,
} from './compile-control.ts'
import { RECURSE, indexCode, iterateCode, sliceCode } from './compile-path.ts'
import { arrayCode, binaryCode, logicCode, mapped, negateCode, objectCode, textCode } from './compile-value.ts'
import { assignCode } from './change.ts'
import { formatOf } from './formats.ts'
import { matcherOf } from './matcher.ts'
import { type Context, type Scope, bind } from './scope.ts'
import { invalidProgram, placeOf } from './source.ts'
import type { Ast } from './syntax.ts'

/**
 * The code of a program.
 * @throws MillpondError `JQ_INVALID` for names that are not there.
 */
export function compileTree(tree: Ast, program: string, nowMs: () => number): Code {
  const context: Context = { program, nowMs, compile: (tree, scope) => compiled(tree, scope, context) }
  return compiled(tree, undefined, context)
}

const compiled = (tree: Ast, scope: Scope | undefined, context: Context): Code => direct(compile(tree, scope, context))

function compile(tree: Ast, scope: Scope | undefined, context: Context): Code {
  spend(1)
  const inner = (part: Ast) => compiled(part, scope, context)
  const maybe = (part: Ast | undefined) => part && inner(part)
  switch (tree.kind) {
    case 'identity':
      return IDENTITY
    case 'recurse-default':
      return RECURSE
    case 'literal':
      return constant(tree.value)
    case 'text':
      return textCode(
        tree.parts.map((part) => (typeof part === 'string' ? part : inner(part))),
        formatNamed(tree, context),
      )
    case 'format':
      return mapped(IDENTITY, formatNamed(tree, context))
    case 'variable':
      return variableCode(tree.name, tree.at, scope, context)
    case 'location':
      return constant({ file: '<top-level>', line: placeOf(context.program, tree.at).line })
    case 'index':
      return indexCode(inner(tree.of), inner(tree.key), tree.optional)
    case 'slice':
      return sliceCode(inner(tree.of), maybe(tree.from), maybe(tree.to), tree.optional)
    case 'iterate':
      return iterateCode(inner(tree.of), tree.optional)
    case 'array':
      return arrayCode(maybe(tree.items))
    case 'object':
      return objectCode(tree.entries.map(({ key, value }) => ({ key: inner(key), value: maybe(value) })))
    case 'negate':
      return negateCode(inner(tree.of))
    case 'pipe':
      return pipeCode(inner(tree.left), inner(tree.right))
    case 'comma':
      return commaCode(inner(tree.left), inner(tree.right))
    case 'binary':
      return binaryCode(tree.operator, inner(tree.left), inner(tree.right))
    case 'and':
    case 'or':
      return logicCode(tree.kind === 'or', inner(tree.left), inner(tree.right))
    case 'alternative':
      return alternativeCode(inner(tree.left), inner(tree.right))
    case 'assign':
      return assignCode(tree.operator, inner(tree.left), inner(tree.right))
    case 'if':
      return ifCode(inner(tree.condition), inner(tree.whenTrue), tree.otherwise === undefined ? IDENTITY : inner(tree.otherwise))
    case 'try':
      return tryCode(inner(tree.body), maybe(tree.handler))
    case 'break':
      return breakCode(labelAway(tree.name, tree.at, scope, context))
    case 'label':
      return labelCode(compiled(tree.body, bind(scope, { kind: 'label', name: tree.name }), context))
    case 'define':
      return compiled(tree.body, define(tree.definition, scope, context), context)
    case 'call':
      return ownCallCode(tree, scope, context) ?? builtinCode(tree, tree.args.map(inner), context)
    case 'bind':
    case 'reduce':
    case 'foreach':
    default:
      return compileBinding(tree, scope, context)
  }
}

function compileBinding(
  tree: Extract<Ast, { kind: 'bind' | 'reduce' | 'foreach' }>,
  scope: Scope | undefined,
  context: Context,
): Code {
  const { matcher, inner } = matcherOf(tree.patterns, scope, context)
  const source = compiled(tree.source, scope, context)
  if (tree.kind === 'bind') return bindCode(source, matcher, compiled(tree.body, inner, context))
  const init = compiled(tree.init, scope, context)
  const fold = { source, matcher, init, update: compiled(tree.update, inner, context) }
  if (tree.kind === 'reduce') return reduceCode(fold)
  return foreachCode(fold, tree.extract && compiled(tree.extract, inner, context))
}

function formatNamed({ format, at }: { readonly format: string; readonly at: number }, { program }: Context) {
  const found = formatOf(format)
  if (found === undefined) throw invalidProgram(program, at, `@${format} is no format that there is`)
  return found
}
