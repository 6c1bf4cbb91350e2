import { spend } from './budget.ts'
import { firstOf } from './change.ts'
import { type Code, type Emit, type Env, IDENTITY, type Path, constant, outputsOf, single } from './code.ts'
import { compareValues } from './compare.ts'
import { tryCode } from './compile-control.ts'
import { mapped } from './compile-value.ts'
import { eachItem, indexCode, iterateCode } from './compile-path.ts'
import type { CodeFunctions } from './functions.ts'
import { add, subtract } from './operators.ts'
import { raise } from './raised.ts'
import { type JqValue, isTruthy } from './value.ts'

const NOTHING: Code = { one: () => undefined, each: () => false }
const ITEMS = iterateCode(IDENTITY, false)

/** Builtins that decide which outputs there are, and how many. */
export const controlFunctions: CodeFunctions = {
  'empty/0': () => NOTHING,
  'error/0': () => single(raise),
  'error/1': ([message]) => mapped(message!, raise),
  'select/1': ([condition]) => selectCode(condition!),
  'map/1': ([change]) => mapCode(change!),
  'first/0': () => indexCode(IDENTITY, constant(0), false),
  'last/0': () => indexCode(IDENTITY, constant(-1), false),
  'nth/1': ([at]) => indexCode(IDENTITY, at!, false),
  'first/1': ([of]) => firstCode(of!),
  'last/1': ([of]) => lastCode(of!),
  'nth/2': ([count, of]) => nthCode(count!, of!),
  'limit/2': ([count, of]) => limitCode(count!, of!),
  'skip/2': ([count, of]) => skipCode(count!, of!),
  'until/2': ([isDone, next]) => untilCode(isDone!, next!),
  'while/2': ([goesOn, next]) => repeatCode(next!, goesOn!),
  'repeat/1': ([next]) => againCode(next!),
  'recurse/1': ([next]) => repeatCode(next!, constant(true)),
  'recurse/2': ([next, condition]) => recurseWhere(next!, condition!),
  'range/1': ([to]) => rangeCode(constant(0), to!, constant(1)),
  'range/2': ([from, to]) => rangeCode(from!, to!, constant(1)),
  'range/3': ([from, to, by]) => rangeCode(from!, to!, by!),
  'isempty/1': ([of]) => single((input, env) => firstOf(of!, input, env) === undefined),
  'isvalid/1': ([of]) =>
    tryCode(
      mapped(of!, () => true),
      constant(false),
    ),
  'any/0': () => quantifier(ITEMS, IDENTITY, true),
  'any/1': ([condition]) => quantifier(ITEMS, condition!, true),
  'any/2': ([of, condition]) => quantifier(of!, condition!, true),
  'all/0': () => quantifier(ITEMS, IDENTITY, false),
  'all/1': ([condition]) => quantifier(ITEMS, condition!, false),
  'all/2': ([of, condition]) => quantifier(of!, condition!, false),
  'add/1': ([of]) => single((input, env) => outputsOf(of!, input, env).reduce(add, null)),
}

/** Passes the input on, with its path, once for each output of the condition that is true. */
export function selectCode(condition: Code): Code {
  const { one } = condition
  return {
    ...(one && {
      one: (input: JqValue, env: Env) => {
        const holds = one(input, env)
        return holds !== undefined && isTruthy(holds) ? input : undefined
      },
    }),
    each: (input, path, env, emit) =>
      condition.each(input, undefined, env, (holds) => (isTruthy(holds) ? emit(input, path) : false)),
  }
}

function mapCode(change: Code): Code {
  const { one } = change
  const mapped = (input: JqValue, path: Path | undefined, env: Env): JqValue => {
    const values: JqValue[] = []
    eachItem(input, path, false, (item, itemPath) => {
      if (one === undefined || path !== undefined) {
        return change.each(item, itemPath, env, (value) => {
          values.push(value)
          return false
        })
      }
      const value = one(item, env)
      if (value !== undefined) values.push(value)
      return false
    })
    return values
  }
  return {
    one: (input, env) => mapped(input, undefined, env),
    each: (input, path, env, emit) => emit(mapped(input, path, env), path),
  }
}

const firstCode = (of: Code): Code => ({
  one: (input, env) => firstOf(of, input, env),
  each: (input, path, env, emit) => {
    let stopped = false
    of.each(input, path, env, (value, valuePath) => {
      stopped = emit(value, valuePath)
      return true
    })
    return stopped
  },
})

const lastCode = (of: Code): Code => ({
  one: (input, env) => outputsOf(of, input, env).at(-1),
  each: (input, path, env, emit) => {
    let last: { readonly value: JqValue; readonly path: Path | undefined } | undefined
    of.each(input, path, env, (value, valuePath) => {
      last = { value, path: valuePath }
      return false
    })
    return last !== undefined && emit(last.value, last.path)
  },
})

/** The outputs `from` to `to` of a generator, which is stopped as soon as the last one is there. */
function part(of: Code, from: number, to: number, given: Parameters<Code['each']>): boolean {
  const [input, path, env, emit] = given
  let seen = 0
  let stopped = false
  of.each(input, path, env, (value, valuePath) => {
    seen++
    if (seen > from) stopped = emit(value, valuePath)
    return stopped || seen >= to
  })
  return stopped
}

function numberOf(value: JqValue): number {
  return typeof value === 'number' ? value : raise('Range bounds must be numeric')
}

/** The first outputs; all of them for what is less than zero, as null, false and true are. */
const limitCode = (count: Code, of: Code): Code => ({
  each: (input, path, env, emit) => count.each(input, undefined, env, (most) => limited(most, of, [input, path, env, emit])),
})

function limited(most: JqValue, of: Code, given: Parameters<Code['each']>): boolean {
  const [input, path, env, emit] = given
  if (compareValues(most, 0) < 0) return of.each(input, path, env, emit)
  if (typeof most === 'number') return most > 0 && part(of, 0, Math.ceil(most), given)
  // jq counts down from it with the first output there is: an error.
  return of.each(input, path, env, () => isTruthy(subtract(most, 1)))
}

const skipCode = (count: Code, of: Code): Code => ({
  each: (input, path, env, emit) =>
    count.each(input, undefined, env, (value) => part(of, numberOf(value), Infinity, [input, path, env, emit])),
})

/** The last of the first outputs, where there are fewer. */
const nthCode = (count: Code, of: Code): Code => ({
  each: (input, path, env, emit) =>
    count.each(input, undefined, env, (value) => {
      if (compareValues(value, 0) < 0) raise("nth doesn't support negative indices")
      const most = add(value, 1)
      return lastCode({ each: (...given) => limited(most, of, given) }).each(input, path, env, emit)
    }),
})

const untilCode = (isDone: Code, next: Code): Code => {
  const [doneOne, nextOne] = [isDone.one, next.one]
  const each: Code['each'] = (input, path, env, emit) => {
    spend(1)
    return isDone.each(input, undefined, env, (done) =>
      isTruthy(done) ? emit(input, path) : next.each(input, path, env, (value, valuePath) => each(value, valuePath, env, emit)),
    )
  }
  if (doneOne === undefined || nextOne === undefined) return { each }
  return {
    each,
    one: (input, env) => {
      for (let value: JqValue | undefined = input; value !== undefined; value = nextOne(value, env)) {
        spend(1)
        const done = doneOne(value, env)
        if (done === undefined || isTruthy(done)) return done === undefined ? undefined : value
      }
      return undefined
    },
  }
}

/** The outputs for the same input again and again. */
const againCode = (next: Code): Code => ({
  each: (input, path, env, emit) => {
    for (;;) {
      spend(1)
      if (next.each(input, path, env, emit)) return true
    }
  },
})

/** The input, then the same of each output of `next`, as long as the condition holds. */
function repeatCode(next: Code, goesOn: Code): Code {
  const nested: Code['each'] = (input, path, env, emit) => {
    spend(1)
    return goesOn.each(input, undefined, env, (holds) => {
      if (!isTruthy(holds)) return false
      if (emit(input, path)) return true
      return next.each(input, path, env, (value, valuePath) => nested(value, valuePath, env, emit))
    })
  }
  const [nextOne, goesOnOne] = [next.one, goesOn.one]
  if (nextOne === undefined || goesOnOne === undefined) return { each: nested }
  return {
    each: (input, path, env, emit) => {
      if (path !== undefined) return nested(input, path, env, emit)
      for (let value: JqValue | undefined = input; value !== undefined; value = nextOne(value, env)) {
        spend(1)
        const holds = goesOnOne(value, env)
        if (holds === undefined || !isTruthy(holds)) return false
        if (emit(value, undefined)) return true
      }
      return false
    },
  }
}

const recurseWhere = (next: Code, condition: Code): Code => repeatCode(filtered(next, condition), constant(true))

function filtered(next: Code, condition: Code): Code {
  const select = selectCode(condition)
  const [nextOne, selectOne] = [next.one, select.one]
  return {
    ...(nextOne &&
      selectOne && {
        one: (input: JqValue, env: Env) => {
          const value = nextOne(input, env)
          return value === undefined ? undefined : selectOne(value, env)
        },
      }),
    each: (input, path, env, emit) => next.each(input, path, env, (value, valuePath) => select.each(value, valuePath, env, emit)),
  }
}

/** Numbers from one up or down to another, without that. */
function rangeCode(from: Code, to: Code, by: Code): Code {
  return {
    each: (input, path, env, emit) =>
      from.each(input, undefined, env, (first) =>
        to.each(input, undefined, env, (end) =>
          by.each(input, undefined, env, (step) => eachNumber([numberOf(first), numberOf(end), numberOf(step)], path, emit)),
        ),
      ),
  }
}

function eachNumber([first, end, step]: readonly [number, number, number], path: Path | undefined, emit: Emit): boolean {
  if (step === 0) return false
  for (let value = first; step > 0 ? value < end : value > end; value += step) {
    spend(1)
    if (emit(value, path)) return true
  }
  return false
}

/** `any` and `all`: whether one output decides. */
function quantifier(of: Code, condition: Code, decides: boolean): Code {
  return single((input, env) => {
    let isDecided = false
    of.each(input, undefined, env, (value) =>
      condition.each(value, undefined, env, (holds) => (isDecided = isTruthy(holds) === decides)),
    )
    return isDecided === decides
  })
}
