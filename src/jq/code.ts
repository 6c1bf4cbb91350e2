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

/** How a value was reached from the root, last key first. `ROOT` is the root itself, `ASTRAY` says that it is no part of the root. */
export interface Path {
  readonly key: JqValue
  readonly up: Path | undefined
}

export const ROOT: Path = { key: null, up: undefined }
export const ASTRAY: Path = { key: null, up: undefined }

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

/** Code that makes at most one value, which is on no path unless it is the input itself. */
export const single = (one: One): Code => ({
  one,
  each: (input, path, env, emit) => {
    const value = one(input, env)
    return value === undefined ? false : emit(value, pathOfValue(path, input, value))
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

/** Code that makes any number of values, on no path unless they are the input itself. */
export const several = (each: (input: JqValue, env: Env, emit: (value: JqValue) => boolean) => boolean): Code => ({
  each: (input, path, env, emit) => each(input, env, (value) => emit(value, pathOfValue(path, input, value))),
})

/** Code that gives its input. */
export const IDENTITY: Code = { one: (input) => input, each: (input, path, _env, emit) => emit(input, path) }

export function pathOfValue(path: Path | undefined, input: JqValue, value: JqValue): Path | undefined {
  return path === undefined || value === input ? path : ASTRAY
}

/** The path of `container[key]`. */
export function pathOfKey(path: Path | undefined, key: JqValue, container: JqValue): Path | undefined {
  if (path === undefined) return undefined
  if (path === ASTRAY) {
    raise(`Invalid path expression near attempt to access element ${shortened(key, 14)} of ${shortened(container, 29)}`)
  }
  return { key, up: path }
}

/** A path's keys, first to last. Raises where the value that was reached is no part of the root. */
export function keysOf(path: Path | undefined, value: JqValue): JqValue[] {
  if (path === ASTRAY) raise(`Invalid path expression with result ${shortened(value, 29)}`)
  const keys: JqValue[] = []
  for (let link = path; link !== undefined && link !== ROOT; link = link.up) keys.push(link.key)
  return keys.reverse()
}

/** Every output as an array. */
export function outputsOf(code: Code, input: JqValue, env: Env): JqValue[] {
  if (code.one !== undefined) {
    const value = code.one(input, env)
    return value === undefined ? [] : [value]
  }
  const values: JqValue[] = []
  code.each(input, undefined, env, (value) => {
    values.push(value)
    return false
  })
  return values
}
