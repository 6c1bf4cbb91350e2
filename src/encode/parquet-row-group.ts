import type { SchemaNode } from './parquet-schema.ts'

/** The smallest and the largest value, as PLAIN without a length in front. */
export interface ValueBounds {
  readonly min: Uint8Array
  readonly max: Uint8Array
}

/** What the footer says of the values of a column in one row group. */
export interface ChunkSummary {
  /** Values, nulls and empty lists included. */
  readonly count: number
  readonly nullCount: number
  readonly encodings: readonly number[]
  readonly bounds: ValueBounds | undefined
  /** Bytes of its pages, headers included, as they are stored and before compression. */
  readonly bytes: number
  readonly rawBytes: number
  /** Bytes of the dictionary's page; 0 where there is none. */
  readonly dictionaryBytes: number
}

/** What a footer says of a row group beside where it lies. */
export interface RowGroup {
  /** All row groups of a file have the same. */
  readonly schema: readonly SchemaNode[]
  /** Equal for equal schemas alone. */
  readonly schemaId: string
  /** In the order of the schema's columns. */
  readonly columns: readonly ChunkSummary[]
  /** Split-block Bloom filters by the index of their column: a power of two times 32 bytes. */
  readonly filters: ReadonlyMap<number, Uint8Array>
  /** What is told of the messages where others may want to take the file over. */
  readonly told?: ToldOfGroup
}

/** What a row group tells beside its values. */
export interface ToldOfGroup {
  /** The content of all messages of this schema up to the last of the row group. */
  readonly content: Uint8Array
  /** Its first message, by which a file is named that begins with it; undefined where none can begin with it but the first. */
  readonly first:
    | { readonly timestampMs: number; readonly key: Uint8Array | undefined; readonly id: string | undefined }
    | undefined
}
