import { MillpondError } from '../errors.ts'
import { MAGIC } from './parquet-footer.ts'
import { readThrift, type ThriftRead } from './parquet-thrift.ts'
import type { FoundBlock } from './segment-format.ts'

/** The length of the footer, and what every file ends with. */
const TAIL_BYTES = 8

/** Where the row groups of a whole file lie, by its footer. @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`. */
export function splitParquetFile(file: Uint8Array): FoundBlock[] {
  const tail = file.byteLength - TAIL_BYTES
  if (tail < MAGIC.byteLength || MAGIC.some((byte, i) => file[tail + 4 + i] !== byte)) throw corrupt('it does not end in PAR1')
  const start = tail - new DataView(file.buffer, file.byteOffset + tail, 4).getUint32(0, true)
  if (start < MAGIC.byteLength) throw corrupt('its footer is longer than it')
  const groups = readThrift(file.subarray(start, tail), 0).fields.get(4)
  if (!Array.isArray(groups)) throw corrupt('its footer tells of no row groups')
  return groups.map((group: ThriftRead) => {
    const number = (field: number): number => {
      const value = group instanceof Map ? (group.get(field) as ThriftRead | undefined) : undefined
      if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= start) return value
      throw corrupt('its footer does not say what a row group holds')
    }
    return { offset: number(5), bytes: number(6), count: number(3) }
  })
}

const corrupt = (why: string) => new MillpondError('SEGMENT_CORRUPT', `a Parquet file cannot be read: ${why}`)
