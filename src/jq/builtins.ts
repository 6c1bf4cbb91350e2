import { controlFunctions } from './builtins-control.ts'
import { definedCode, definedNames } from './builtins-defined.ts'
import { mathFunctions } from './builtins-math.ts'
import { pathFunctions } from './builtins-path.ts'
import { regexFunctions } from './builtins-regex.ts'
import { textFunctions } from './builtins-text.ts'
import { streamFunctions } from './builtins-stream.ts'
import { timeFunctions } from './builtins-time.ts'
import { valueFunctions } from './builtins-value.ts'
import { type Code, constant, single } from './code.ts'
import { type CodeFunctions, type ValueFunctions, valueCode } from './functions.ts'
import type { Context } from './scope.ts'
import { invalidProgram } from './source.ts'
import type { Ast } from './syntax.ts'

const values: ValueFunctions = { ...valueFunctions, ...textFunctions, ...mathFunctions }
const codes: CodeFunctions = {
  ...controlFunctions,
  ...pathFunctions,
  ...regexFunctions,
  ...timeFunctions,
  ...streamFunctions,
  'env/0': () => single(() => ({})),
  'input_line_number/0': () => constant(0),
  'input_filename/0': () => constant(null),
  'builtins/0': () => constant([...builtinNames()]),
}

/** Builtins of jq that are left out, and why. */
const refused: Readonly<Record<string, string>> = {
  ...refuse('a program sees one value, and no others after it', ['input/0', 'inputs/0']),
  ...refuse('programs write nothing but their outputs', ['debug/0', 'debug/1', 'stderr/0']),
  ...refuse('a program cannot end the process that runs it', ['halt/0', 'halt_error/0', 'halt_error/1']),
  ...refuse('modules cannot be loaded: programs have no access to files', [
    'modulemeta/0',
    'get_search_list/0',
    'get_prog_origin/0',
    'get_jq_origin/0',
  ]),
  ...refuse('functions of Bessel and the error function are not there', [
    'j0/0',
    'j1/0',
    'jn/2',
    'y0/0',
    'y1/0',
    'yn/2',
    'erf/0',
    'erfc/0',
  ]),
}

function refuse(reason: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, reason]))
}

/** Every builtin with its number of arguments. */
export const builtinNames = (): readonly string[] => [
  ...new Set([...Object.keys(values), ...Object.keys(codes), ...definedNames()]),
]

/**
 * The code of a call of a builtin.
 * @throws MillpondError `JQ_INVALID` where there is none of this name and number of arguments.
 */
export function builtinCode(call: Extract<Ast, { kind: 'call' }>, args: readonly Code[], context: Context): Code {
  const name = `${call.name}/${call.args.length}`
  if (Object.hasOwn(codes, name)) return codes[name]!(args, context)
  if (Object.hasOwn(values, name)) return valueCode(values[name]!, args)
  const defined = definedCode(name, args, context)
  if (defined !== undefined) return defined
  const reason = Object.hasOwn(refused, name) ? refused[name] : undefined
  throw invalidProgram(
    context.program,
    call.at,
    reason === undefined ? `${name} is not defined` : `${name} is left out: ${reason}`,
  )
}
