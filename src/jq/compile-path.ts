import { index, lookUp, sliceOf } from './access.ts'
import { spend } from './budget.ts'
import { type Code, type Emit, IDENTITY, type One, type Path, checkKey, constant, isAt } from './code.ts'
import { described, shortened } from './json-text.ts'
import { raise } from './raised.ts'
import { type JqObject, type JqValue, isInherited } from './value.ts'

/** `of[key]`; where it is optional, nothing for values that have no such keys. */
export function indexCode(of: Code, key: Code, optional: boolean): Code {
  const find = optional ? lookUp : index
  const one = indexOne(of, key, optional)
  return {
    ...(one && { one }),
    // The key's outputs are the outer loop, as everywhere in jq the operand that stands last.
    each: (input, path, env, emit) =>
      key.each(input, undefined, env, (at) =>
        of.each(input, path, env, (container, containerPath) => {
          if (containerPath !== undefined) checkKey(containerPath, at, container)
          const value = find(container, at)
          return value === undefined ? false : emit(value, containerPath && { key: at, up: containerPath, value })
        }),
      ),
  }
}

function indexOne(of: Code, key: Code, optional: boolean): One | undefined {
  if (of.one === undefined || key.one === undefined) return undefined
  if (typeof key.constant === 'string') return fieldOne(of, key.constant, optional)
  const [ofOne, keyOne, find] = [of.one, key.one, optional ? lookUp : index]
  return (input, env) => {
    const at = keyOne(input, env)
    if (at === undefined) return undefined
    const container = ofOne(input, env)
    return container === undefined ? undefined : find(container, at)
  }
}

/** The hot case: a key that is known. */
function fieldOne(of: Code, key: string, optional: boolean): One {
  const find = optional ? lookUp : index
  const ofOne = of === IDENTITY ? undefined : of.one!
  if (isInherited(key)) {
    if (ofOne === undefined) return (input) => find(input, key)
    return (input, env) => {
      const container = ofOne(input, env)
      return container === undefined ? undefined : find(container, key)
    }
  }
  const field = (container: JqValue): JqValue | undefined => {
    if (typeof container === 'object' && container !== null && !Array.isArray(container)) {
      const value = (container as JqObject)[key]
      return value === undefined ? null : value
    }
    return container === null ? null : find(container, key)
  }
  if (ofOne === undefined) return field
  return (input, env) => {
    const container = ofOne(input, env)
    return container === undefined ? undefined : field(container)
  }
}

/** `of[from:to]`. */
export function sliceCode(of: Code, from: Code | undefined, to: Code | undefined, optional: boolean): Code {
  const low = from ?? constant(null)
  const high = to ?? constant(null)
  const find = (container: JqValue, start: JqValue, end: JqValue): JqValue | undefined => {
    const found = sliceOf(container, start, end)
    return found === undefined && !optional ? index(container, { start, end }) : found
  }
  return {
    ...(of.one &&
      low.constant !== undefined &&
      high.constant !== undefined && { one: sliceOne(of.one, low.constant, high.constant, find) }),
    each: (input, path, env, emit) =>
      low.each(input, undefined, env, (start) =>
        high.each(input, undefined, env, (end) =>
          of.each(input, path, env, (container, containerPath) => {
            const key = { start, end }
            if (containerPath !== undefined) checkKey(containerPath, key, container)
            const value = find(container, start, end)
            return value === undefined ? false : emit(value, containerPath && { key, up: containerPath, value })
          }),
        ),
      ),
  }
}

function sliceOne(
  of: One,
  low: JqValue,
  high: JqValue,
  find: (container: JqValue, start: JqValue, end: JqValue) => JqValue | undefined,
): One {
  return (input, env) => {
    const container = of(input, env)
    return container === undefined ? undefined : find(container, low, high)
  }
}

/** `of[]`. */
export function iterateCode(of: Code, optional: boolean): Code {
  return {
    each: (input, path, env, emit) =>
      of.each(input, path, env, (container, containerPath) => eachItem(container, containerPath, optional, emit)),
  }
}

/** Calls `emit` for each item or value. */
export function eachItem(container: JqValue, path: Path | undefined, optional: boolean, emit: Emit): boolean {
  if (path !== undefined && !isAt(path, container))
    raise(`Invalid path expression near attempt to iterate through ${shortened(container, 29)}`)
  if (Array.isArray(container)) {
    spend(container.length)
    for (let at = 0; at < container.length; at++) {
      const value = container[at] as JqValue
      if (emit(value, path && { key: at, up: path, value })) return true
    }
    return false
  }
  if (typeof container === 'object' && container !== null) {
    const keys = Object.keys(container)
    spend(keys.length)
    for (const key of keys) {
      const value = (container as JqObject)[key]!
      if (emit(value, path && { key, up: path, value })) return true
    }
    return false
  }
  return optional ? false : raise(`Cannot iterate over ${described(container)}`)
}

/** `..` and `recurse`: the value and all that it holds, outer before inner. */
export const RECURSE: Code = { each: (input, path, _env, emit) => eachNested(input, path, emit) }

function eachNested(value: JqValue, path: Path | undefined, emit: Emit): boolean {
  return emit(value, path) || eachItem(value, path, true, (item, itemPath) => eachNested(item, itemPath, emit))
}
