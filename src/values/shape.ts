/**
 * What values look like, whatever describes them: an Avro schema, a Protobuf message, a JSON Schema, or the values that were seen. Null is of every
 * shape but those that are required.
 */
export type Shape = { readonly isRequired?: boolean } & (
  | { readonly kind: ScalarKind }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'timestamp'; readonly unit: 'micros' | 'nanos'; readonly isUtc: boolean }
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number; readonly size: number | undefined }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'list'; readonly items: Shape }
  | { readonly kind: 'map'; readonly items: Shape }
  | { readonly kind: 'record'; readonly fields: ReadonlyMap<string, Shape>; readonly isOpen: boolean }
  | { readonly kind: 'choice'; readonly members: ReadonlyMap<string, Shape> }
)

/**
 * Kinds that need no more words. `int` has 64 bits; a `time` is one of a day in microseconds; `json` is anything at all, as JSON text: what has no
 * type of its own, what mixes types, and what holds itself. Of `unknown` nothing was seen but null; `nothing` can only be null.
 */
export type ScalarKind =
  | 'boolean'
  | 'int32'
  | 'int'
  | 'uint32'
  | 'uint64'
  | 'float'
  | 'double'
  | 'string'
  | 'bytes'
  | 'uuid'
  | 'date'
  | 'time'
  | 'json'

/** The shape of objects; one that is open may have fields beside those that are named. */
export type RecordShape = Shape & { readonly kind: 'record' }

/** Nothing was seen yet but null. */
export const UNKNOWN: Shape = { kind: 'unknown' }
/** Anything at all. */
export const ANYTHING: Shape = { kind: 'json' }
