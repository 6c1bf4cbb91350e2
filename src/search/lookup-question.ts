import type { LookupField } from '../encode/block.ts'

/** Something that a look-up filter can be asked: has this field this value; without a value, of headers: is it there. */
export interface LookupQuestion {
  readonly field: LookupField
  readonly value?: Uint8Array
}
