import { shortened } from './json-text.ts'
import { raise } from './raised.ts'
import type { JqValue } from './value.ts'

/** Variables, closures and labels at run time, innermost first; compiled code knows how many links away each is. */
export interface Env {
  readonly slot: unknown
  readonly up: Env
}

/** Nothing bound. */
export const NO_ENV: Env = { slot: undefined, up: undefined as unknown as Env }

export function outwards(env: Env, links: number): Env {
  let found = env
  for (let left = links; left > 0; left--) found = found.up
  return found
}

/**
 * The last part of the root that was reached: its keys, last one first, and what stands there. The root itself is reached by none. Code that
 * makes values passes the path on as it is, as jq does; that a value is not what stands there is seen where the path goes on or ends.
 */
export interface Path {
  readonly key: JqValue
  readonly up: Path | undefined
  readonly value: JqValue
}

export const rootPath = (value: JqValue): Path => ({ key: null, up: undefined, value })

/** Whether a value is what stands at the path. */
export const isAt = (path: Path, value: JqValue): boolean => Object.is(path.value, value)

/** Takes one output; true says that no more are wanted, which whoever called passes on at once. */
export type Emit = (value: JqValue, path: Path | undefined) => boolean

/** An expression, compiled. */
export interface Code {
  /** There where it has one output at most: gives that, or undefined for none. */
  readonly one?: One
  /** Calls `emit` for each output. A path is given where paths are wanted, otherwise undefined is. True when `emit` gave true. */
  readonly each: Each
  /** There where it always gives this value. */
  readonly constant?: JqValue
}

export type One = (input: JqValue, env: Env) => JqValue | undefined
export type Each = (input: JqValue, path: Path | undefined, env: Env, emit: Emit) => boolean

/** Code that makes at most one value. */
export const single = (one: One): Code => ({
  one,
  each: (input, path, env, emit) => {
    const value = one(input, env)
    return value === undefined ? false : emit(value, path)
  },
})

/** The same code, which makes its one output without nesting calls where no path is wanted. */
export function direct(code: Code): Code {
  const { one, each } = code
  if (one === undefined || code === IDENTITY || code.constant !== undefined) return code
  return {
    one,
    each: (input, path, env, emit) => {
      if (path !== undefined) return each(input, path, env, emit)
      const value = one(input, env)
      return value === undefined ? false : emit(value, undefined)
    },
  }
}

export const constant = (value: JqValue): Code => ({ ...single(() => value), constant: value })

/** Code that makes any number of values. */
export const several = (each: (input: JqValue, env: Env, emit: (value: JqValue) => boolean) => boolean): Code => ({
  each: (input, path, env, emit) => each(input, env, (value) => emit(value, path)),
})

/** Code that gives its input. */
export const IDENTITY: Code = { one: (input) => input, each: (input, path, _env, emit) => emit(input, path) }

/** Raises where `container[key]` is asked for and the container is not what stands at the path. */
export function checkKey(path: Path, key: JqValue, container: JqValue): void {
  if (isAt(path, container)) return
  raise(`Invalid path expression near attempt to access element ${shortened(key, 14)} of ${shortened(container, 29)}`)
}

/** The keys of the path of a value, first to last. Raises where the value is no part of the root. */
export function keysOf(path: Path, value: JqValue): JqValue[] {
  if (!isAt(path, value)) raise(`Invalid path expression with result ${shortened(value, 29)}`)
  const keys: JqValue[] = []
  for (let link = path; link.up !== undefined; link = link.up) keys.push(link.key)
  return keys.reverse()
}

/** Every output as an array. */
export function outputsOf(code: Code, input: JqValue, env: Env): JqValue[] {
  if (code.one !== undefined) {
    const value = code.one(input, env)
    return value === undefined ? [] : [value]
  }
  return outputsAt(code, input, undefined, env)
}

/** Every output as an array, of an input at a path. */
export function outputsAt(code: Code, input: JqValue, path: Path | undefined, env: Env): JqValue[] {
  const values: JqValue[] = []
  code.each(input, path, env, (value) => {
    values.push(value)
    return false
  })
  return values
}
