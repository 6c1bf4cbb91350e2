import type { LookupField } from '../encode/block.ts'
import type { SegmentQuery } from '../index/segment-index.ts'
import type { MessageFilter } from './filter.ts'

/** A header that a message must have: with that value where one is given, with any (null too) otherwise. */
export interface HeaderQuery {
  readonly name: string
  readonly equals?: Uint8Array
}

/** Which messages are meant: all of what is given must hold. Ranges are half-open. */
export interface MessageQuery extends SegmentQuery {
  readonly key?: Uint8Array
  readonly id?: string
  readonly headers?: readonly HeaderQuery[]
  readonly filter?: MessageFilter
}

/** Something that a look-up filter can be asked: has this field this value; without a value: is it there. */
export interface LookupQuestion {
  readonly field: LookupField
  readonly value?: Uint8Array
}

/** What of the query look-up filters can be asked; empty where ranges alone select. */
export function questionsOf(query: MessageQuery): readonly LookupQuestion[] {
  const questions: LookupQuestion[] = []
  if (query.key !== undefined) questions.push({ field: 'key', value: query.key })
  if (query.id !== undefined) questions.push({ field: 'id', value: new TextEncoder().encode(query.id) })
  for (const { name, equals } of query.headers ?? []) {
    questions.push(equals === undefined ? { field: `header:${name}` } : { field: `header:${name}`, value: equals })
  }
  return questions
}

/** Whether a range has nothing in it by itself. */
const isEmpty = (range: { readonly from?: number; readonly to?: number } = {}): boolean =>
  (range.from ?? -Infinity) >= (range.to ?? Infinity)

/** Whether nothing can match, whatever the archive holds. */
export const matchesNothing = (query: MessageQuery): boolean =>
  isEmpty(query.positions) || isEmpty(query.timestamps) || query.lanes?.length === 0
