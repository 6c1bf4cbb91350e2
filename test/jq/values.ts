import { jsonText } from '../../src/jq/json-text.ts'
import { compileJq, type JqOptions } from '../../src/jq/jq.ts'
import type { JqValue } from '../../src/jq/value.ts'

/** All outputs of a program as jq would write them: numbers that JSON does not have are none, keys in an order of their own. */
export const outputsOf = (program: string, input: unknown, options: JqOptions = {}): unknown[] =>
  [...compileJq(program, options).all(input as JqValue)].map(asJson)

/** A value as it comes back from its text. */
export const asJson = (value: JqValue): unknown => JSON.parse(jsonText(value))

/** A program whose outputs, or its error in their place, are one array or object. */
export const guarded = (program: string): string => `(try [limit(200; ${program})] catch {error: .})`
