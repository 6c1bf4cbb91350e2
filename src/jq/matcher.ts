import { index } from './access.ts'
import { spend } from './budget.ts'
import { catching } from './catching.ts'
import type { Code, Emit, Env } from './code.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import { type Context, type Scope, bind } from './scope.ts'
import type { Pattern } from './syntax.ts'
import type { JqValue } from './value.ts'

/** Takes values apart into variables. */
export interface Matcher {
  /** Whether all it does is to give the value one name. */
  readonly isName: boolean
  /** Calls `body` for each way in which the value can be taken apart, with the variables bound. True when `body` gave true. */
  readonly each: (value: JqValue, env: Env, emit: Emit, body: (bound: Env, emit: Emit) => boolean) => boolean
}

/** A pattern that writes what it finds into the slots of its variables and then goes on. */
type Take = (value: JqValue, env: Env, slots: JqValue[], next: () => boolean) => boolean

/** The matcher of patterns, and the scope of what comes after them: every pattern's variables are bound, null where another one fits. */
export function matcherOf(
  patterns: readonly Pattern[],
  scope: Scope | undefined,
  context: Context,
): { readonly matcher: Matcher; readonly inner: Scope | undefined } {
  const names = [...new Set(patterns.flatMap(namesOf))]
  let inner = scope
  for (const name of names) inner = bind(inner, { kind: 'variable', name })
  const [only] = patterns
  if (patterns.length === 1 && only!.kind === 'name') {
    return { matcher: { isName: true, each: (value, env, emit, body) => body({ slot: value, up: env }, emit) }, inner }
  }
  const takes = patterns.map((pattern) => takeOf(pattern, names, scope, context))
  return {
    matcher: { isName: false, each: (value, env, emit, body) => eachMatch(takes, names.length, { value, env, emit, body }) },
    inner,
  }
}

interface Match {
  readonly value: JqValue
  readonly env: Env
  readonly emit: Emit
  readonly body: (bound: Env, emit: Emit) => boolean
}

/** Tries one pattern after the other, the next one where taking apart or the body raises an error. */
function eachMatch(takes: readonly Take[], count: number, { value, env, emit, body }: Match): boolean {
  for (const [at, take] of takes.entries()) {
    const slots: JqValue[] = Array.from({ length: count }, () => null)
    const run = (guarded: Emit) => take(value, env, slots, () => body(withSlots(env, slots), guarded))
    if (at === takes.length - 1) return run(emit)
    const ended = catching(run, emit)
    if (typeof ended === 'boolean') return ended
  }
  return false
}

function withSlots(env: Env, slots: readonly JqValue[]): Env {
  let bound = env
  for (const slot of slots) bound = { slot, up: bound }
  return bound
}

function namesOf(pattern: Pattern): string[] {
  if (pattern.kind === 'name') return [pattern.name]
  if (pattern.kind === 'items') return pattern.items.flatMap(namesOf)
  return pattern.fields.flatMap(({ name, pattern }) => [
    ...(name === undefined ? [] : [name]),
    ...(pattern === undefined ? [] : namesOf(pattern)),
  ])
}

function takeOf(pattern: Pattern, names: readonly string[], scope: Scope | undefined, context: Context): Take {
  if (pattern.kind === 'name') return nameTake(names.indexOf(pattern.name))
  if (pattern.kind === 'items') {
    // The last item is taken first, as jq does: of a name that stands twice, the first counts.
    return allOf(pattern.items.map((item, at) => itemTake(at, takeOf(item, names, scope, context))).reverse())
  }
  return allOf(
    pattern.fields.map(({ key, name, pattern }) => {
      const parts = [
        ...(name === undefined ? [] : [nameTake(names.indexOf(name))]),
        ...(pattern === undefined ? [] : [takeOf(pattern, names, scope, context)]),
      ]
      return fieldTake(context.compile(key, scope), allOf(parts))
    }),
  )
}

const nameTake =
  (slot: number): Take =>
  (value, _env, slots, next) => {
    slots[slot] = value
    return next()
  }

const itemTake =
  (at: number, take: Take): Take =>
  (value, env, slots, next) =>
    take(index(value, at), env, slots, next)

const fieldTake =
  (key: Code, take: Take): Take =>
  (value, env, slots, next) =>
    key.each(value, undefined, env, (name) => {
      if (typeof name !== 'string')
        raise(`Cannot index ${described(value).split(' ')[0]!} with ${described(name).split(' ')[0]!}`)
      return take(index(value, name), env, slots, next)
    })

/** Each on the same value, one inside the other. */
function allOf(takes: readonly Take[]): Take {
  return (value, env, slots, next) => {
    const from = (at: number): boolean => {
      const take = takes[at]
      return take === undefined ? next() : take(value, env, slots, () => from(at + 1))
    }
    spend(1)
    return from(0)
  }
}
