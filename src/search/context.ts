import type { Store } from '../store/store.ts'
import type { DecodedValues } from '../values/decoded.ts'
import type { SliceCache } from './slice-cache.ts'

/** What the steps of a reading count. */
export interface ReadCounters {
  /** Bytes read from the store: parts of filters and blocks. */
  bytesRead: number
  blocksRead: number
  messagesRead: number
  messagesMatched: number
}

/** How far reading runs ahead of its consumer: decoded blocks, and bytes as they lie in the store. */
export interface ReadAhead {
  readonly blocks: number
  readonly bytes: number
}

/** What one reading shares among its steps. */
export interface ReadContext {
  readonly store: Store
  readonly slices: SliceCache | undefined
  readonly values: DecodedValues
  readonly counters: ReadCounters
  readonly signal: AbortSignal
  readonly readAhead: ReadAhead
}
