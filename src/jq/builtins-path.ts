import { atPath, withPath } from './access.ts'
import { spend } from './budget.ts'
import { extreme, fromEntries, entriesOf } from './builtins-value.ts'
import { selectCode } from './builtins-control.ts'
import { eachPath, updated } from './change.ts'
import { type Code, type Env, IDENTITY, NO_ENV, type Path, isAt, keysOf, outputsOf, rootPath, several, single } from './code.ts'
import { RECURSE, iterateCode } from './compile-path.ts'
import { equalValues, sortedBy } from './compare.ts'
import { deletePaths } from './delete-paths.ts'
import type { CodeFunctions } from './functions.ts'
import { itemsOf } from './items.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import { type JqValue, isArray, isObject } from './value.ts'

const NOT_SORTED = 'cannot be sorted, as they are not both arrays'

/** Builtins over paths, and those that sort and group by an expression. */
export const pathFunctions: CodeFunctions = {
  'path/1': ([of]) => pathCode(of!),
  'paths/0': () => pathsWhere(() => true),
  'paths/1': ([condition]) => {
    const select = selectCode(condition!)
    return several((input, env, emit) =>
      eachNestedPath(input, (path, value) => select.each(value, undefined, env, () => emit(path))),
    )
  },
  // As in jq, where a leaf that is false or null is none.
  'leaf_paths/0': () => pathsWhere((value) => typeof value !== 'object' && value !== false),
  'getpath/1': ([path]) => getpathCode(path!),
  'del/1': ([of]) => single((input, env) => deletePaths(input, pathsOf(of!, input, env))),
  'pick/1': ([of]) =>
    single((input, env) =>
      pathsOf(of!, input, env).reduce<JqValue>((picked, path) => withPath(picked, path, atPath(input, path)), null),
    ),
  'recurse/0': () => RECURSE,
  'recurse_down/0': () => RECURSE,
  'map_values/1': ([change]) =>
    single((input, env) => updated(iterateCode(IDENTITY, false), input, env, (value) => outputsOf(change!, value, env)[0])),
  'with_entries/1': ([change]) =>
    single((input, env) => fromEntries(entriesOf(input).flatMap(([key, value]) => outputsOf(change!, { key, value }, env)))),
  'walk/1': ([change]) => walkCode(change!),
  'unique/0': () => keyed(IDENTITY, NOT_SORTED, (items, keys) => groups(items, keys).map((group) => group[0]!)),
  'sort_by/1': ([by]) => keyed(by!, NOT_SORTED, (items, keys) => sortedBy(items, keys).map((at) => items[at]!)),
  'group_by/1': ([by]) => keyed(by!, NOT_SORTED, groups),
  'unique_by/1': ([by]) => keyed(by!, NOT_SORTED, (items, keys) => groups(items, keys).map((group) => group[0]!)),
  'min_by/1': ([by]) => keyed(by!, 'cannot be iterated over', (items, keys) => extreme(items, (order) => order < 0, keys)),
  'max_by/1': ([by]) => keyed(by!, 'cannot be iterated over', (items, keys) => extreme(items, (order) => order >= 0, keys)),
  'iterables/0': () => kept((value) => typeof value === 'object' && value !== null),
  'arrays/0': () => kept(isArray),
  'objects/0': () => kept(isObject),
  'booleans/0': () => kept((value) => typeof value === 'boolean'),
  'numbers/0': () => kept((value) => typeof value === 'number'),
  'strings/0': () => kept((value) => typeof value === 'string'),
  'nulls/0': () => kept((value) => value === null),
  'values/0': () => kept((value) => value !== null),
  'scalars/0': () => kept((value) => typeof value !== 'object' || value === null),
  'scalars_or_empty/0': () => kept((value) => typeof value !== 'object' || value === null || Object.keys(value).length === 0),
  'finites/0': () => kept((value) => typeof value === 'number' && Math.abs(value) !== Infinity),
  'normals/0': () => kept((value) => typeof value === 'number' && isNormal(value)),
}

const SMALLEST_NORMAL = 2 ** -1022

/** Whether a number is neither zero, subnormal, infinite nor NaN. */
export const isNormal = (value: number): boolean => Number.isFinite(value) && Math.abs(value) >= SMALLEST_NORMAL

/** Passes inputs on, with their paths, for which a rule holds. */
const kept = (holds: (value: JqValue) => boolean): Code => selectCode(single((input) => holds(input)))

function pathsOf(of: Code, input: JqValue, env: Env): readonly JqValue[][] {
  const paths: JqValue[][] = []
  eachPath(of, input, env, (path) => paths.push(path))
  return paths
}

const pathCode = (of: Code): Code =>
  several((input, env, emit) => of.each(input, rootPath(input), env, (value, path) => emit(keysOf(path!, value))))

function eachNestedPath(input: JqValue, take: (path: readonly JqValue[], value: JqValue) => boolean): boolean {
  return RECURSE.each(
    input,
    rootPath(input),
    NO_ENV,
    (value, path) => path!.up !== undefined && take(keysOf(path!, value), value),
  )
}

const pathsWhere = (holds: (value: JqValue) => boolean): Code =>
  several((input, _env, emit) => eachNestedPath(input, (path, value) => holds(value) && emit(path)))

const getpathCode = (path: Code): Code => ({
  each: (input, inputPath, env, emit) =>
    path.each(input, undefined, env, (keys) => {
      const value = atPath(input, keys)
      if (inputPath === undefined || !isAt(inputPath, input)) return emit(value, inputPath)
      return emit(
        value,
        (keys as readonly JqValue[]).reduce<Path>((up, key) => ({ key, up, value }), inputPath),
      )
    }),
  ...(path.one && {
    one: (input: JqValue, env: Env) => {
      const keys = path.one!(input, env)
      return keys === undefined ? undefined : atPath(input, keys)
    },
  }),
})

function keyed(by: Code, otherwise: string, make: (items: readonly JqValue[], keys: readonly JqValue[]) => JqValue): Code {
  return single((input, env) => {
    const keys = itemsOf(input).map((item) => outputsOf(by, item, env))
    if (!isArray(input)) raise(`${described(input)} and ${described(keys)} ${otherwise}`)
    return make(input, keys)
  })
}

function groups(items: readonly JqValue[], keys: readonly JqValue[]): readonly (readonly JqValue[])[] {
  const made: JqValue[][] = []
  let before: JqValue | undefined
  for (const at of sortedBy(items, keys)) {
    const key = keys[at]!
    if (before === undefined || !equalValues(before, key)) made.push([])
    made.at(-1)!.push(items[at]!)
    before = key
  }
  return made
}

/** Applies an expression to everything, inner before outer. */
function walkCode(change: Code): Code {
  const each = (input: JqValue, env: Env, emit: (value: JqValue) => boolean): boolean => {
    spend(1)
    return change.each(walkedInside(input, env), undefined, env, emit)
  }
  const walkedInside = (input: JqValue, env: Env): JqValue => {
    if (Array.isArray(input)) {
      const items: JqValue[] = []
      for (const item of input as readonly JqValue[]) {
        each(item, env, (value) => {
          items.push(value)
          return false
        })
      }
      return items
    }
    if (!isObject(input)) return input
    const pairs: JqValue[] = []
    for (const [key, item] of Object.entries(input)) {
      each(item, env, (value) => {
        pairs.push({ key, value })
        return true
      })
    }
    return fromEntries(pairs)
  }
  return several(each)
}
