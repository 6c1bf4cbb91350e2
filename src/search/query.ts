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
