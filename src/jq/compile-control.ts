import { callDepth, restoreDepth, spend } from './budget.ts'
import { catching } from './catching.ts'
import { type Code, type Env, type Path, outwards, single } from './code.ts'
import type { Matcher } from './matcher.ts'
import { isRaised } from './raised.ts'
import { type JqValue, isTruthy } from './value.ts'

/** `left | right`. */
export function pipeCode(left: Code, right: Code): Code {
  const [leftOne, rightOne] = [left.one, right.one]
  return {
    ...(leftOne !== undefined &&
      rightOne !== undefined && {
        one: (input: JqValue, env: Env) => {
          const value = leftOne(input, env)
          return value === undefined ? undefined : rightOne(value, env)
        },
      }),
    each: (input, path, env, emit) => left.each(input, path, env, (value, valuePath) => right.each(value, valuePath, env, emit)),
  }
}

/** `left, right`. */
export const commaCode = (left: Code, right: Code): Code => ({
  each: (input, path, env, emit) => left.each(input, path, env, emit) || right.each(input, path, env, emit),
})

/** `if condition then … else … end`, for each output of the condition. */
export function ifCode(condition: Code, then: Code, otherwise: Code): Code {
  const [conditionOne, thenOne, otherwiseOne] = [condition.one, then.one, otherwise.one]
  return {
    ...(conditionOne !== undefined &&
      thenOne !== undefined &&
      otherwiseOne !== undefined && {
        one: (input: JqValue, env: Env) => {
          const holds = conditionOne(input, env)
          if (holds === undefined) return undefined
          return isTruthy(holds) ? thenOne(input, env) : otherwiseOne(input, env)
        },
      }),
    each: (input, path, env, emit) =>
      condition.each(input, undefined, env, (holds) => (isTruthy(holds) ? then : otherwise).each(input, path, env, emit)),
  }
}

/** `left // right`: the outputs of the left side that are true, or else those of the right one. */
export function alternativeCode(left: Code, right: Code): Code {
  const [leftOne, rightOne] = [left.one, right.one]
  return {
    ...(leftOne !== undefined &&
      rightOne !== undefined && {
        one: (input: JqValue, env: Env) => {
          const value = leftOne(input, env)
          return value !== undefined && isTruthy(value) ? value : rightOne(input, env)
        },
      }),
    each: (input, path, env, emit) => {
      let isFound = false
      const stopped = left.each(input, path, env, (value, valuePath) => {
        if (!isTruthy(value)) return false
        isFound = true
        return emit(value, valuePath)
      })
      return stopped || (!isFound && right.each(input, path, env, emit))
    },
  }
}

/** `try body catch handler`; errors of what takes the outputs are not the body's. */
export function tryCode(body: Code, handler: Code | undefined): Code {
  const [bodyOne, handlerOne] = [body.one, handler === undefined ? () => undefined : handler.one]
  return {
    ...(bodyOne !== undefined &&
      handlerOne !== undefined && {
        one: (input: JqValue, env: Env) => {
          const depth = callDepth()
          try {
            return bodyOne(input, env)
          } catch (error) {
            if (!isRaised(error)) throw error
            restoreDepth(depth)
            return handlerOne(error.raised, env)
          }
        },
      }),
    each: (input, path, env, emit) => {
      const caught = catching((guarded) => body.each(input, path, env, guarded), emit)
      if (typeof caught === 'boolean') return caught
      return handler === undefined ? false : handler.each(caught.raised, path, env, emit)
    },
  }
}

/** `label $name | body`: the label is the link of the environment itself. */
export function labelCode(body: Code): Code {
  return {
    each: (input, path, env, emit) => {
      const label: Env = { slot: undefined, up: env }
      const depth = callDepth()
      try {
        return body.each(input, path, label, emit)
      } catch (error) {
        if (!isBroken(error) || error.broken !== label) throw error
        restoreDepth(depth)
        return false
      }
    },
  }
}

/** `break` on its way to its label. */
interface Broken {
  readonly broken: Env
}

const isBroken = (error: unknown): error is Broken => typeof error === 'object' && error !== null && 'broken' in error

/** `break $name`, whose label is `away` links away. */
export const breakCode = (away: number): Code =>
  single((_input, env) => {
    const broken: Broken = { broken: outwards(env, away) }
    // oxlint-disable-next-line typescript/only-throw-error -- caught by the label
    throw broken
  })

/** `source as patterns | body`. */
export const bindCode = (source: Code, matcher: Matcher, body: Code): Code => {
  const [sourceOne, bodyOne] = [source.one, body.one]
  return {
    ...(matcher.isName &&
      sourceOne !== undefined &&
      bodyOne !== undefined && {
        one: (input: JqValue, env: Env) => {
          const value = sourceOne(input, env)
          return value === undefined ? undefined : bodyOne(input, { slot: value, up: env })
        },
      }),
    each: (input, path, env, emit) =>
      source.each(input, undefined, env, (value) =>
        matcher.each(value, env, emit, (bound, guarded) => body.each(input, path, bound, guarded)),
      ),
  }
}

export interface FoldCode {
  readonly source: Code
  readonly matcher: Matcher
  readonly init: Code
  readonly update: Code
}

/** `reduce source as patterns (init; update)`: the last output of the update goes on; null where it has none. Its path is that of the first value. */
export function reduceCode(fold: FoldCode): Code {
  const { init } = fold
  const run = (first: JqValue, firstPath: Path | undefined, input: JqValue, env: Env): JqValue => {
    let state = first
    eachState(fold, { input, path: firstPath, env }, (bound, path) => {
      const before = state
      state = null
      if (fold.update.one !== undefined && path === undefined) {
        state = fold.update.one(before, bound) ?? null
        return false
      }
      return fold.update.each(before, path, bound, (value) => {
        state = value
        return false
      })
    })
    return state
  }
  return {
    ...(init.one !== undefined && {
      one: (input: JqValue, env: Env) => {
        const first = init.one!(input, env)
        return first === undefined ? undefined : run(first, undefined, input, env)
      },
    }),
    each: (input, path, env, emit) =>
      init.each(input, path, env, (first, firstPath) => emit(run(first, firstPath, input, env), firstPath)),
  }
}

/** `foreach source as patterns (init; update; extract)`: every output of the update goes on and is extracted from, on the path of the source. */
export const foreachCode = (fold: FoldCode, extract: Code | undefined): Code => ({
  each: (input, path, env, emit) =>
    fold.init.each(input, path, env, (first, firstPath) => {
      let state = first
      return eachState(fold, { input, path: firstPath, env }, (bound, sourcePath) => {
        const before = state
        state = null
        return fold.update.each(before, sourcePath, bound, (value, valuePath) => {
          state = value
          return extract === undefined ? emit(value, valuePath) : extract.each(value, valuePath, bound, emit)
        })
      })
    }),
})

function eachState(
  { source, matcher }: FoldCode,
  { input, path, env }: { readonly input: JqValue; readonly path: Path | undefined; readonly env: Env },
  take: (bound: Env, path: Path | undefined) => boolean,
): boolean {
  const takeOff = (bound: Env) => take(bound, undefined)
  return source.each(input, path, env, (value, valuePath) => {
    spend(1)
    const taken = valuePath === undefined ? takeOff : (bound: Env) => take(bound, valuePath)
    return matcher.each(value, env, () => false, taken)
  })
}
