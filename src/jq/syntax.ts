/** A program as a tree. `at` is where it stands in the text, in UTF-16 units. */
export type Ast =
  | { readonly kind: 'identity' }
  | { readonly kind: 'recurse-default' }
  | { readonly kind: 'literal'; readonly value: null | boolean | number | string }
  | { readonly kind: 'text'; readonly format: string; readonly parts: readonly (string | Ast)[]; readonly at: number }
  | { readonly kind: 'format'; readonly format: string; readonly at: number }
  | { readonly kind: 'variable'; readonly name: string; readonly at: number }
  | { readonly kind: 'location'; readonly at: number }
  | { readonly kind: 'index'; readonly of: Ast; readonly key: Ast; readonly optional: boolean }
  | {
      readonly kind: 'slice'
      readonly of: Ast
      readonly from: Ast | undefined
      readonly to: Ast | undefined
      readonly optional: boolean
    }
  | { readonly kind: 'iterate'; readonly of: Ast; readonly optional: boolean }
  | { readonly kind: 'array'; readonly items: Ast | undefined }
  | { readonly kind: 'object'; readonly entries: readonly ObjectEntry[] }
  | { readonly kind: 'negate'; readonly of: Ast }
  | { readonly kind: 'pipe'; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'comma'; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'and' | 'or' | 'alternative'; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'assign'; readonly operator: AssignOperator; readonly left: Ast; readonly right: Ast }
  | { readonly kind: 'if'; readonly condition: Ast; readonly whenTrue: Ast; readonly otherwise: Ast | undefined }
  | { readonly kind: 'try'; readonly body: Ast; readonly handler: Ast | undefined }
  | {
      readonly kind: 'reduce'
      readonly source: Ast
      readonly patterns: readonly Pattern[]
      readonly init: Ast
      readonly update: Ast
    }
  | {
      readonly kind: 'foreach'
      readonly source: Ast
      readonly patterns: readonly Pattern[]
      readonly init: Ast
      readonly update: Ast
      readonly extract: Ast | undefined
    }
  | { readonly kind: 'bind'; readonly source: Ast; readonly patterns: readonly Pattern[]; readonly body: Ast }
  | { readonly kind: 'define'; readonly definition: Definition; readonly body: Ast }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Ast[]; readonly at: number }
  | { readonly kind: 'label'; readonly name: string; readonly body: Ast }
  | { readonly kind: 'break'; readonly name: string; readonly at: number }

export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>='
export type AssignOperator = '=' | '|=' | '+=' | '-=' | '*=' | '/=' | '%=' | '//='

export interface ObjectEntry {
  readonly key: Ast
  /** None for `{a}` and `{"a"}`: the value of that key of the input. */
  readonly value: Ast | undefined
}

export interface Definition {
  readonly name: string
  readonly params: readonly Param[]
  readonly body: Ast
}

export interface Param {
  readonly name: string
  /** Whether it is written `$name`: its values are taken when the function is called. */
  readonly isValue: boolean
}

/** What values are taken apart by. */
export type Pattern =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'items'; readonly items: readonly Pattern[] }
  | { readonly kind: 'fields'; readonly fields: readonly PatternField[] }

export interface PatternField {
  readonly key: Ast
  /** The variable of `{$a}` and `{$a: …}`, which takes the whole value of the key. */
  readonly name: string | undefined
  readonly pattern: Pattern | undefined
}
