/** What a test looks at. A header may be there several times: a test holds when it holds for one of them. */
export type FilterField = 'topic' | 'lane' | 'position' | 'timestamp' | 'id' | 'key' | `header:${string}`

/** Positions and timestamps (ms) are numbers; all else is bytes, texts as UTF-8. */
export type FilterOperand = number | Uint8Array

/** What must hold of a field. Bytes are compared byte by byte, as UTF-8 texts are by code point; a field that is null or not there passes no test but `exists: false`. */
export type FieldTest =
  | { readonly equals: FilterOperand }
  | { readonly in: readonly FilterOperand[] }
  | { readonly prefix: Uint8Array }
  /** Each bound that is given must hold. */
  | {
      readonly greaterThan?: FilterOperand
      readonly atLeast?: FilterOperand
      readonly lessThan?: FilterOperand
      readonly atMost?: FilterOperand
    }
  | { readonly exists: boolean }

/** A condition on single messages, checked and ready: edges parse their own forms of it (JSON, query strings, Mongo's operators) into this one. */
export type MessageFilter =
  | { readonly and: readonly MessageFilter[] }
  | { readonly or: readonly MessageFilter[] }
  | { readonly not: MessageFilter }
  | { readonly field: FilterField; readonly test: FieldTest }
  /** A jq program over the value; holds where its first output is neither false nor null. A value that is no JSON, or a program that fails on it, does not hold. */
  | { readonly jq: string }
