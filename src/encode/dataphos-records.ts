import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { BlockEntry } from './segment.ts'

/** A record has three fields of a byte each at the least. */
const MIN_RECORD_BYTES = 3

/**
 * The messages of `count` records of Dataphos Persistor, Avro data of `{ID: string, Data: bytes, Metadata: map of string}`: id, value and headers, whose
 * order is that of the map. They share `raw`. Positions are counted on from the block's first.
 * @throws MillpondError `BLOCK_CORRUPT` for anything else.
 */
export function readPersistorRecords(
  raw: Uint8Array,
  count: number,
  { firstPosition, minTimestamp }: Pick<BlockEntry, 'firstPosition' | 'minTimestamp'>,
): MessageBatch {
  if (!(count >= 0) || count * MIN_RECORD_BYTES > raw.byteLength)
    throw corrupt(`${raw.byteLength} bytes cannot hold ${count} records`)
  const none = new Int32Array(count).fill(-1)
  const spans = { id: [] as number[], value: [] as number[], headers: [] as number[] }
  const headerFrom = new Int32Array(count + 1)
  const reader = createReader(raw)
  for (let row = 0; row < count; row++) {
    reader.takeBytes(spans.id)
    reader.takeBytes(spans.value)
    for (let pairs = reader.takeCount(); pairs !== 0; pairs = reader.takeCount()) {
      for (let pair = 0; pair < pairs; pair++) {
        reader.takeBytes(spans.headers)
        reader.takeBytes(spans.headers)
      }
    }
    headerFrom[row + 1] = spans.headers.length / 4
  }
  if (!reader.ended) throw corrupt('bytes follow the records')
  const every = (from: readonly number[], step: number, offset: number) =>
    Int32Array.from({ length: from.length / step }, (_, i) => from[step * i + offset]!)
  return {
    count,
    bytes: raw,
    positions: Float64Array.from({ length: count }, (_, row) => firstPosition + row),
    timestamps: new Float64Array(count).fill(minTimestamp),
    keyStart: none,
    keyEnd: none,
    valueStart: every(spans.value, 2, 0),
    valueEnd: every(spans.value, 2, 1),
    idStart: every(spans.id, 2, 0),
    idEnd: every(spans.id, 2, 1),
    headerFrom,
    headerNameStart: every(spans.headers, 4, 0),
    headerNameEnd: every(spans.headers, 4, 1),
    headerValueStart: every(spans.headers, 4, 2),
    headerValueEnd: every(spans.headers, 4, 3),
  }
}

/** Reads Avro's numbers and lengths; trusts none. */
function createReader(raw: Uint8Array) {
  let at = 0
  const takeLong = (): number => {
    let value = 0
    for (let scale = 1; scale <= 2 ** 49; scale *= 128) {
      const byte = raw[at++]
      if (byte === undefined) throw corrupt('the records end early')
      value += (byte & 127) * scale
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw corrupt('a number is too long')
  }
  return {
    get ended() {
      return at === raw.byteLength
    },
    /** Adds where the bytes begin and end. */
    takeBytes(spans: number[]): void {
      const length = takeLong()
      if (length < 0 || at + length > raw.byteLength) throw corrupt('the records end early')
      spans.push(at, at + length)
      at += length
    },
    /** How many entries of a map come; a negative number has their bytes behind it. */
    takeCount(): number {
      const count = takeLong()
      if (count < 0) takeLong()
      const entries = Math.abs(count)
      if (entries * 2 > raw.byteLength - at) throw corrupt('a map is longer than its bytes')
      return entries
    },
  }
}

const corrupt = (message: string) => new MillpondError('BLOCK_CORRUPT', message)
