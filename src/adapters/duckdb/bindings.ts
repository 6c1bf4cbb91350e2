import { createRequire } from 'node:module'

/** A column of a chunk that DuckDB gives to be filled. */
export type Vector = object

/** Of DuckDB's C interface what fills columns with bytes as they are; the package above it would make an object for each cell. */
export interface Bindings {
  data_chunk_get_vector(chunk: object, column: number): Vector
  create_varchar(text: string): object
  vector_reference_value(vector: Vector, value: object): void
  vector_assign_string_element_len(vector: Vector, row: number, bytes: Uint8Array): void
  vector_ensure_validity_writable(vector: Vector): void
  copy_data_to_vector(vector: Vector, offset: number, source: ArrayBuffer, sourceOffset: number, bytes: number): void
  copy_data_to_vector_validity(vector: Vector, offset: number, source: ArrayBuffer, sourceOffset: number, bytes: number): void
  list_vector_reserve(vector: Vector, count: number): void
  list_vector_set_size(vector: Vector, count: number): void
  list_vector_get_child(vector: Vector): Vector
  struct_vector_get_child(vector: Vector, field: number): Vector
  vector_size(): number
}

/** The bindings that the installed `@duckdb/node-api` itself uses: chunks of one are of no use to another. */
export function loadBindings(): Bindings {
  const fromApi = createRequire(createRequire(import.meta.url).resolve('@duckdb/node-api'))
  return fromApi('@duckdb/node-bindings') as Bindings
}
