import { enterCall, leaveCall } from './budget.ts'
import { type Code, type Emit, type Env, type Path, outwards, single } from './code.ts'
import { type Closure, type Context, type FunctionCode, type Scope, bind, find } from './scope.ts'
import { invalidProgram } from './source.ts'
import type { Ast, Definition } from './syntax.ts'
import type { JqValue } from './value.ts'

/** The scope behind a definition, its body compiled. */
export function define({ name, params, body }: Definition, scope: Scope | undefined, context: Context): Scope {
  const made: FunctionCode = {
    arity: params.length,
    takesValues: params.map((param) => param.isValue),
    isSingle: true,
    wasSupposed: false,
    code: undefined,
  }
  const outer = bind(scope, { kind: 'function', name, function: made })
  let inner = outer
  for (const param of params) {
    inner = bind(inner, { kind: 'closure', name: param.name })
    if (param.isValue) inner = bind(inner, { kind: 'variable', name: param.name })
  }
  made.code = context.compile(body, inner)
  if (made.code.one !== undefined) return outer
  made.isSingle = false
  if (made.wasSupposed) made.code = context.compile(body, inner)
  return outer
}

/** A call of a function of the program or of a parameter; undefined where the program has none of that name. */
export function ownCallCode(call: Extract<Ast, { kind: 'call' }>, scope: Scope | undefined, context: Context): Code | undefined {
  const found = find(scope, ['function', 'closure'], call.name, (bound) =>
    bound.kind === 'closure' ? call.args.length === 0 : bound.function.arity === call.args.length,
  )
  if (found === undefined) return undefined
  const { bound, away } = found
  if (bound.kind === 'closure') return closureCode(away)
  const target = bound.function
  const args = call.args.map((arg, at) => argumentOf(arg, target.takesValues[at]!, scope, context))
  return functionCallCode(target, args, (env) => outwards(env, away))
}

function closureCode(away: number): Code {
  return {
    each: (input, path, env, emit) => {
      const { code, env: written } = outwards(env, away).slot as Closure
      enterCall()
      const stopped = code.each(input, path, written, emit)
      leaveCall()
      return stopped
    },
  }
}

/** What a function is called with. */
export interface Argument {
  readonly code: Code
  readonly isValue: boolean
  /** Where the argument is a parameter of the caller, and so is passed on as it is: how many links away that is. */
  readonly passed: number | undefined
}

function argumentOf(tree: Ast, isValue: boolean, scope: Scope | undefined, context: Context): Argument {
  const found = tree.kind === 'call' && tree.args.length === 0 ? find(scope, ['function', 'closure'], tree.name) : undefined
  const passed = !isValue && found?.bound.kind === 'closure' ? found.away : undefined
  return { code: context.compile(tree, scope), isValue, passed }
}

/** A call of a function; `outer` gives what was bound where it was defined. */
export function functionCallCode(target: FunctionCode, args: readonly Argument[], outer: (env: Env) => Env): Code {
  const each: Code['each'] = (input, path, env, emit) =>
    eachBound(args, 0, { input, env }, outer(env), (bound) => callEach(target, { input, path, bound }, emit))
  if (!target.isSingle || args.some(({ isValue, code }) => isValue && code.one === undefined)) return { each }
  target.wasSupposed = true
  return {
    each,
    one: (input, env) => {
      let bound = outer(env)
      for (const { code, isValue, passed } of args) {
        const value = isValue ? code.one!(input, env) : null
        if (value === undefined) return undefined
        bound = { slot: passed === undefined ? { code, env } : outwards(env, passed).slot, up: bound }
        if (isValue) bound = { slot: value, up: bound }
      }
      enterCall()
      const result = target.code!.one!(input, bound)
      leaveCall()
      return result
    },
  }
}

function callEach(
  target: FunctionCode,
  { input, path, bound }: { readonly input: JqValue; readonly path: Path | undefined; readonly bound: Env },
  emit: Emit,
): boolean {
  enterCall()
  const stopped = target.code!.each(input, path, bound, emit)
  leaveCall()
  return stopped
}

/** Every combination of the values of arguments that are taken by value, those of the last one in the inner loop. */
function eachBound(
  args: readonly Argument[],
  at: number,
  { input, env }: { readonly input: JqValue; readonly env: Env },
  bound: Env,
  act: (bound: Env) => boolean,
): boolean {
  const arg = args[at]
  if (arg === undefined) return act(bound)
  const { code, isValue, passed } = arg
  const closure = { slot: passed === undefined ? { code, env } : outwards(env, passed).slot, up: bound }
  if (!isValue) return eachBound(args, at + 1, { input, env }, closure, act)
  return code.each(input, undefined, env, (value) => eachBound(args, at + 1, { input, env }, { slot: value, up: closure }, act))
}

/** `$name`. */
export function variableCode(name: string, at: number, scope: Scope | undefined, context: Context): Code {
  const found = find(scope, ['variable'], name)
  if (found === undefined) {
    if (name === 'ENV') return single(() => ({}))
    throw invalidProgram(context.program, at, `$${name} is not defined`)
  }
  const { away } = found
  if (away === 0) return single((_input, env) => env.slot as JqValue)
  if (away === 1) return single((_input, env) => env.up.slot as JqValue)
  return single((_input, env) => outwards(env, away).slot as JqValue)
}

/** How many links away the label is. */
export function labelAway(name: string, at: number, scope: Scope | undefined, context: Context): number {
  const found = find(scope, ['label'], name)
  if (found === undefined) throw invalidProgram(context.program, at, `there is no label $${name} to break to`)
  return found.away
}
