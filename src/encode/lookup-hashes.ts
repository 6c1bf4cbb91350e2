import type { ColumnsPlace } from '../kernel/columns.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { BlockFilter, LookupField } from './block.ts'
import { Growing } from './growing.ts'
import { buildFilter, presenceBits } from './lookup.ts'

const encoder = new TextEncoder()
const NO_BYTES = new Uint8Array(0)

/** Rows in the kernel's memory, with room behind `free`; spans count from `bytesAt`. */
export interface HashedRows {
  readonly kernel: Kernel
  readonly columns: ColumnsPlace
  readonly bytesAt: number
  readonly free: number
}

interface FieldHashes {
  readonly field: LookupField
  readonly headerName: Uint8Array | undefined
  readonly hashes: Growing
}

/** Gathers the hashes of the look-up fields of one block's messages. A class: it is on the hot path of every archive. */
export class LookupHashes {
  readonly #fields: readonly FieldHashes[]
  readonly #nameBytes: number

  /** Room for `expectedCount` values a field is taken at once; it grows where they are more. */
  constructor(lookups: readonly LookupField[], expectedCount = 0) {
    this.#fields = lookups.map((field) => ({
      field,
      headerName: field.startsWith('header:') ? encoder.encode(field.slice('header:'.length)) : undefined,
      hashes: new Growing(expectedCount === 0 ? NO_BYTES : new Uint8Array(8 * expectedCount)),
    }))
    this.#nameBytes = Math.max(0, ...this.#fields.map(({ headerName }) => headerName?.byteLength ?? 0))
  }

  /** Room that `collect` takes behind the rows in the kernel. */
  scratchBytes({ count, headers }: ColumnsPlace): number {
    return 8 * (count + headers + 1) + this.#nameBytes
  }

  /** Takes the rows from `from` to before `to`. */
  collect(rows: HashedRows, from: number, to: number): void {
    for (const field of this.#fields) collectField(rows, field, from, to)
  }

  /** The hashes of one field that were taken since the last filters, 8 bytes each; undefined where it is no look-up field. */
  hashesOf(field: LookupField): Uint8Array | undefined {
    return this.#fields.find((each) => each.field === field)?.hashes.filled
  }

  /** One filter for each field, over all that was taken since the last ones. */
  takeFilters(): BlockFilter[] {
    return this.#fields.map(({ field, hashes }) => {
      const filter = buildFilter(field, hashes.filled)
      // Thousands of lanes must not keep room for as much as each once had.
      hashes.bytes = NO_BYTES
      hashes.used = 0
      return filter
    })
  }
}

function collectField(
  { kernel, columns, bytesAt, free }: HashedRows,
  { field, headerName, hashes }: FieldHashes,
  from: number,
  to: number,
): void {
  const { start, count, headers } = columns
  let found: number
  if (headerName === undefined) {
    found = kernel.exports.hashSpans(start, count, from, to, field === 'key' ? 0 : 4, bytesAt, free)
  } else {
    // The name lies behind what the hashes can take.
    const name = free + 8 * (headers + 1)
    kernel.bytes.set(headerName, name)
    found = kernel.exports.hashHeaders(start, count, headers, from, to, name, headerName.byteLength, presenceBits, bytesAt, free)
  }
  if (found > 0) hashes.push(kernel.bytes.subarray(free, free + 8 * found))
}
