import type { Code, Env } from './code.ts'
import type { Ast } from './syntax.ts'

/** What a program can name, innermost first. `links` counts the links of the environment that stand behind it. */
export interface Scope {
  readonly bound: Bound
  readonly links: number
  readonly up: Scope | undefined
}

export type Bound =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'label'; readonly name: string }
  /** A parameter that is an expression. */
  | { readonly kind: 'closure'; readonly name: string }
  | { readonly kind: 'function'; readonly name: string; readonly function: FunctionCode }

/** A function of the program. Calls to it are compiled before its body is done. */
export interface FunctionCode {
  readonly arity: number
  /** For each parameter, whether its values are taken when it is called. */
  readonly takesValues: readonly boolean[]
  /** Whether calls give one output at most: supposed of a body that calls itself until its code says otherwise. */
  isSingle: boolean
  /** Whether a call was compiled while that was only supposed. */
  wasSupposed: boolean
  code: Code | undefined
}

/** What a closure is at run time: code and what was bound where it was written. */
export interface Closure {
  readonly code: Code
  readonly env: Env
}

/** What compiling takes beside the tree. */
export interface Context {
  readonly program: string
  readonly nowMs: () => number
  readonly compile: (tree: Ast, scope: Scope | undefined) => Code
}

export const linksOf = (scope: Scope | undefined): number => scope?.links ?? 0

/** The scope with one thing more; all but functions take a link of the environment. */
export const bind = (scope: Scope | undefined, bound: Bound): Scope => ({
  bound,
  links: linksOf(scope) + (bound.kind === 'function' ? 0 : 1),
  up: scope,
})

/** The innermost of this kind and name, with how many links away it is. */
export function find<K extends Bound['kind']>(
  scope: Scope | undefined,
  kinds: readonly K[],
  name: string,
  fits: (bound: Extract<Bound, { kind: K }>) => boolean = () => true,
): { readonly bound: Extract<Bound, { kind: K }>; readonly away: number } | undefined {
  for (let at = scope; at !== undefined; at = at.up) {
    const { bound } = at
    if (bound.name === name && kinds.includes(bound.kind as K) && fits(bound as Extract<Bound, { kind: K }>)) {
      return { bound: bound as Extract<Bound, { kind: K }>, away: linksOf(scope) - at.links }
    }
  }
  return undefined
}
