import { atPath, withKeys, withPath } from './access.ts'
import { type Code, type Env, keysOf, rootPath, several, single } from './code.ts'
import { deletePaths } from './delete-paths.ts'
import { type Operation, add, divide, multiply, operations, subtract } from './operators.ts'
import type { AssignOperator } from './syntax.ts'
import { type JqValue, isTruthy } from './value.ts'

/** What `op=` does with the old value and one of the right side. */
const changes: Readonly<Record<Exclude<AssignOperator, '=' | '|='>, Operation>> = {
  '+=': add,
  '-=': subtract,
  '*=': multiply,
  '/=': divide,
  '%=': operations['%'],
  '//=': (old, value) => (isTruthy(old) ? old : value),
}

/** All assignments. Values of the right side are taken of the whole input, but for `|=`. */
export function assignCode(operator: AssignOperator, target: Code, right: Code): Code {
  if (operator === '|=') return single((input, env) => updated(target, input, env, (value) => firstOf(right, value, env)))
  const change: Operation = operator === '=' ? (_old, value) => value : changes[operator]
  const assigned = (input: JqValue, env: Env, value: JqValue) =>
    operator === '=' ? replaced(target, input, env, value) : updated(target, input, env, (old) => change(old, value))
  const { one } = right
  if (one === undefined) {
    return several((input, env, emit) => right.each(input, undefined, env, (value) => emit(assigned(input, env, value))))
  }
  return single((input, env) => {
    const value = one(input, env)
    return value === undefined ? undefined : assigned(input, env, value)
  })
}

export function firstOf(code: Code, input: JqValue, env: Env): JqValue | undefined {
  if (code.one !== undefined) return code.one(input, env)
  let first: JqValue | undefined
  code.each(input, undefined, env, (value) => {
    first = value
    return true
  })
  return first
}

/** Calls `take` for each path of the target. */
export function eachPath(target: Code, input: JqValue, env: Env, take: (path: JqValue[]) => void): void {
  target.each(input, rootPath(input), env, (value, path) => {
    take(keysOf(path!, value))
    return false
  })
}

/** The input with every value at a path changed; those for which `change` gives nothing are taken out, all at the end. */
export function updated(target: Code, input: JqValue, env: Env, change: (value: JqValue) => JqValue | undefined): JqValue {
  const gone: JqValue[][] = []
  let result = input
  eachPath(target, input, env, (path) => {
    const value = change(atPath(result, path))
    if (value === undefined) gone.push(path)
    else result = withKeys(result, path, 0, () => value)
  })
  return gone.length === 0 ? result : deletePaths(result, gone)
}

/** The input with the same value at every path. */
function replaced(target: Code, input: JqValue, env: Env, value: JqValue): JqValue {
  let result = input
  eachPath(target, input, env, (path) => {
    result = withPath(result, path, value)
  })
  return result
}
