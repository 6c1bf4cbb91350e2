import { index } from './access.ts'
import { spend, spendText } from './budget.ts'
import { type Code, type Env, type One, constant, outputsAt, outputsOf, several, single } from './code.ts'
import { described } from './json-text.ts'
import { type Operation, operations } from './operators.ts'
import { raise } from './raised.ts'
import type { BinaryOperator } from './syntax.ts'
import { type JqValue, isTruthy, setField } from './value.ts'

/** `left operator right`. Outputs of the right side are the outer loop. */
export function binaryCode(operator: BinaryOperator, left: Code, right: Code): Code {
  const fast = comparisonWithScalar(operator, left, right)
  return fast === undefined ? combined(left, right, operations[operator]) : single(fast)
}

/** Code that makes one value of each pair of outputs. */
export function combined(left: Code, right: Code, operation: Operation): Code {
  const [leftOne, rightOne] = [left.one, right.one]
  if (leftOne === undefined || rightOne === undefined) {
    return several((input, env, emit) =>
      right.each(input, undefined, env, (b) => left.each(input, undefined, env, (a) => emit(operation(a, b)))),
    )
  }
  if (right.constant !== undefined) {
    const b = right.constant
    return single((input, env) => {
      const a = leftOne(input, env)
      return a === undefined ? undefined : operation(a, b)
    })
  }
  return single((input, env) => {
    const b = rightOne(input, env)
    if (b === undefined) return undefined
    const a = leftOne(input, env)
    return a === undefined ? undefined : operation(a, b)
  })
}

/** The hot case: one side is compared with a text, a number, true, false or null that is known. */
function comparisonWithScalar(operator: BinaryOperator, left: Code, right: Code): One | undefined {
  if (operator !== '==' && operator !== '!=') return undefined
  const [value, one] = right.constant === undefined ? [left.constant, right.one] : [right.constant, left.one]
  if (value === undefined || one === undefined || (typeof value === 'object' && value !== null)) return undefined
  const wanted = operator === '=='
  return (input, env) => {
    const other = one(input, env)
    return other === undefined ? undefined : (other === value) === wanted
  }
}

export const negateCode = (of: Code): Code => {
  if (typeof of.constant === 'number') return constant(-of.constant)
  const negated = (value: JqValue): JqValue =>
    typeof value === 'number' ? -value : raise(`${described(value)} cannot be negated`)
  return {
    ...mapped(of, negated),
    each: (input, path, env, emit) => of.each(input, path, env, (value, valuePath) => emit(negated(value), valuePath)),
  }
}

/** Code that makes one value of each output. */
export function mapped(of: Code, change: (value: JqValue) => JqValue): Code {
  const { one } = of
  if (one === undefined) return several((input, env, emit) => of.each(input, undefined, env, (value) => emit(change(value))))
  return single((input, env) => {
    const value = one(input, env)
    return value === undefined ? undefined : change(value)
  })
}

/** `left and right`, `left or right`: the right side is asked where the left one does not decide. */
export function logicCode(decides: boolean, left: Code, right: Code): Code {
  const each: Code['each'] = (input, path, env, emit) =>
    left.each(input, path, env, (a, leftPath) =>
      isTruthy(a) === decides
        ? emit(decides, leftPath)
        : right.each(input, leftPath, env, (b, rightPath) => emit(isTruthy(b), rightPath)),
    )
  const [leftOne, rightOne] = [left.one, right.one]
  if (leftOne !== undefined && rightOne !== undefined) {
    return {
      each,
      one: (input, env) => {
        const a = leftOne(input, env)
        if (a === undefined) return undefined
        if (isTruthy(a) === decides) return decides
        const b = rightOne(input, env)
        return b === undefined ? undefined : isTruthy(b)
      },
    }
  }
  return { each }
}

/** `[items]`. */
export function arrayCode(items: Code | undefined): Code {
  if (items === undefined) return constant([])
  const made = (values: readonly JqValue[]): JqValue => {
    spend(1 + values.length / 4)
    return values
  }
  return {
    one: (input, env) => made(outputsOf(items, input, env)),
    each: (input, path, env, emit) => emit(made(path ? outputsAt(items, input, path, env) : outputsOf(items, input, env)), path),
  }
}

export interface EntryCode {
  readonly key: Code
  /** None for the value of that key of the input. */
  readonly value: Code | undefined
}

/** `{entries}`: one object for each combination of outputs, those of the last entry in the inner loop. */
export function objectCode(entries: readonly EntryCode[]): Code {
  const fields = entries.map(fieldOf)
  if (fields.every((field) => field !== undefined)) return single(fieldsOne(fields))
  return several((input, env, emit) => eachObject(entries, { input, env }, [], emit))
}

interface Field {
  readonly key: string
  readonly one: One
}

function fieldOf({ key, value }: EntryCode): Field | undefined {
  if (typeof key.constant !== 'string') return undefined
  const name = key.constant
  if (value === undefined) return { key: name, one: (input) => index(input, name) }
  return value.one && { key: name, one: value.one }
}

function fieldsOne(fields: readonly Field[]): One {
  return (input, env) => {
    const object: Record<string, JqValue> = {}
    for (const { key, one } of fields) {
      const value = one(input, env)
      if (value === undefined) return undefined
      setField(object, key, value)
    }
    return object
  }
}

interface Situation {
  readonly input: JqValue
  readonly env: Env
}

function eachObject(
  entries: readonly EntryCode[],
  { input, env }: Situation,
  pairs: readonly (readonly [string, JqValue])[],
  emit: (value: JqValue) => boolean,
): boolean {
  const entry = entries[pairs.length]
  if (entry === undefined) {
    const object: Record<string, JqValue> = {}
    spend(1 + pairs.length)
    for (const [key, value] of pairs) setField(object, key, value)
    return emit(object)
  }
  return entry.key.each(input, undefined, env, (key) => {
    if (typeof key !== 'string') raise(`Cannot use ${described(key)} as object key`)
    const next = (value: JqValue) => eachObject(entries, { input, env }, [...pairs, [key, value]], emit)
    return entry.value === undefined ? next(index(input, key)) : entry.value.each(input, undefined, env, next)
  })
}

/** A text with interpolations: parts that are code go through `format`. The last one's outputs are the outer loop. */
export function textCode(parts: readonly (string | Code)[], format: (value: JqValue) => string): Code {
  const joined = (texts: readonly string[]): string => {
    spendText(texts.reduce((chars, text) => chars + text.length, 0))
    return texts.join('')
  }
  const ones = parts.map((part) => (typeof part === 'string' ? part : part.one))
  if (ones.every((one) => one !== undefined)) return single(textOne(ones, format, joined))
  const eachText = (
    last: number,
    texts: readonly string[],
    { input, env }: Situation,
    emit: (value: JqValue) => boolean,
  ): boolean => {
    const part = parts[last]
    if (part === undefined) return emit(joined(texts))
    if (typeof part === 'string') return eachText(last - 1, [part, ...texts], { input, env }, emit)
    return part.each(input, undefined, env, (value) => eachText(last - 1, [format(value), ...texts], { input, env }, emit))
  }
  return several((input, env, emit) => eachText(parts.length - 1, [], { input, env }, emit))
}

function textOne(
  parts: readonly (string | One)[],
  format: (value: JqValue) => string,
  joined: (texts: readonly string[]) => string,
): One {
  return (input, env) => {
    const texts: string[] = []
    for (let at = parts.length - 1; at >= 0; at--) {
      const part = parts[at]!
      const value = typeof part === 'string' ? part : part(input, env)
      if (value === undefined) return undefined
      texts.unshift(typeof part === 'string' ? part : format(value))
    }
    return joined(texts)
  }
}
