import { index, withPath } from './access.ts'
import { spend } from './budget.ts'
import { lengthOf } from './builtins-value.ts'
import { type Code, several } from './code.ts'
import { eachItem } from './compile-path.ts'
import type { CodeFunctions } from './functions.ts'
import { raise } from './raised.ts'
import type { JqValue } from './value.ts'

/** Builtins over streams of paths and leaves, and over combinations. */
export const streamFunctions: CodeFunctions = {
  'tostream/0': () => several((input, _env, emit) => eachEvent(input, [], emit)),
  'fromstream/1': ([events]) => fromStream(events!),
  'truncate_stream/1': ([events]) => truncateStream(events!),
  'combinations/0': () => several((input, _env, emit) => eachCombination(listOf(input), 0, [], emit)),
  'combinations/1': ([count]) =>
    several((input, env, emit) =>
      count!.each(input, undefined, env, (times) => {
        if (typeof times !== 'number') raise('Range bounds must be numeric')
        spend(Math.max(0, times))
        return eachCombination(
          Array.from({ length: Math.max(0, Math.ceil(times)) }, () => input),
          0,
          [],
          emit,
        )
      }),
    ),
}

type Emit = (value: JqValue) => boolean

function eachEvent(value: JqValue, path: readonly JqValue[], emit: Emit): boolean {
  spend(1)
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : []
  const last = keys.at(-1)
  if (last === undefined) return emit([path, value])
  const lastKey = Array.isArray(value) ? Number(last) : last
  const stopped = eachItem(value, undefined, false, (item) => {
    const key = keys.shift()!
    return eachEvent(item, [...path, Array.isArray(value) ? Number(key) : key], emit)
  })
  return stopped || emit([[...path, lastKey]])
}

const fromStream = (events: Code): Code =>
  several((input, env, emit) => {
    let built: JqValue = null
    let hasLeaf = false
    return events.each(input, undefined, env, (event) => {
      spend(1)
      const path = index(event, 0)
      if (!Array.isArray(path) || !Array.isArray(event)) raise('Invalid streaming format')
      if (event.length > 1 && path.length === 0) return emit(event[1] as JqValue)
      if (event.length > 1) {
        built = withPath(built, path as readonly JqValue[], event[1] as JqValue)
        hasLeaf = true
        return false
      }
      if (path.length > 1 || !hasLeaf) return false
      const whole = built
      built = null
      hasLeaf = false
      return emit(whole)
    })
  })

/** The events below a depth, which is the input, without the first keys of their paths. */
const truncateStream = (events: Code): Code =>
  several((input, env, emit) =>
    events.each(null, undefined, env, (event) => {
      const path = index(event, 0)
      if (typeof input !== 'number' || !Array.isArray(path) || !Array.isArray(event)) raise('Invalid streaming format')
      return path.length > input && emit([path.slice(input) as readonly JqValue[], ...(event.slice(1) as readonly JqValue[])])
    }),
  )

function listOf(input: JqValue): readonly JqValue[] {
  if (Array.isArray(input)) return input as readonly JqValue[]
  return lengthOf(input) === 0 ? [] : [index(input, 0)]
}

/** One array for each choice of an item of each list; the last list is the inner loop. */
function eachCombination(lists: readonly JqValue[], at: number, chosen: readonly JqValue[], emit: Emit): boolean {
  spend(1 + chosen.length / 2)
  if (at === lists.length) return emit(chosen)
  return eachItem(lists[at]!, undefined, false, (item) => eachCombination(lists, at + 1, [...chosen, item], emit))
}
