import { type Code, IDENTITY, type One, several, single } from './code.ts'
import { mapped } from './compile-value.ts'
import type { Context } from './scope.ts'
import type { JqValue } from './value.ts'

/** A builtin that makes one value of its input and one value of each argument. */
export type ValueFunction = (input: JqValue, ...args: JqValue[]) => JqValue

/** Builtins by name and number of arguments: `ltrimstr/1`. */
export type ValueFunctions = Readonly<Record<string, ValueFunction>>

/** Builtins whose arguments are expressions. */
export type CodeFunctions = Readonly<Record<string, (args: readonly Code[], context: Context) => Code>>

/** A call of such a builtin: one value for each combination of its arguments' outputs, those of the last one in the outer loop. */
export function valueCode(call: ValueFunction, args: readonly Code[]): Code {
  if (args.length === 0) return mapped(IDENTITY, (input) => call(input))
  const ones = args.map((arg) => arg.one)
  if (ones.every((one) => one !== undefined)) return single(valueOne(call, ones))
  const from = (at: number, values: readonly JqValue[], given: Given): boolean => {
    const arg = args[at]
    if (arg === undefined) return given.emit(call(given.input, ...values))
    return arg.each(given.input, undefined, given.env, (value) => from(at - 1, [value, ...values], given))
  }
  return several((input, env, emit) => from(args.length - 1, [], { input, env, emit }))
}

interface Given {
  readonly input: JqValue
  readonly env: Parameters<One>[1]
  readonly emit: (value: JqValue) => boolean
}

function valueOne(call: ValueFunction, ones: readonly One[]): One {
  const [only] = ones
  if (ones.length === 1) {
    return (input, env) => {
      const value = only!(input, env)
      return value === undefined ? undefined : call(input, value)
    }
  }
  return (input, env) => {
    const values: JqValue[] = []
    for (let at = ones.length - 1; at >= 0; at--) {
      const value = ones[at]!(input, env)
      if (value === undefined) return undefined
      values[at] = value
    }
    return call(input, ...values)
  }
}
