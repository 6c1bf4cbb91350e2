import { checkResult, OUTPUT_FULL } from './fault.ts'
import { SLACK_BYTES, withKernel } from './kernel.ts'

/** What a dictionary may take before it is given up. */
export interface DictionaryLimits {
  readonly maxCount: number
  readonly maxBytes: number
}

/** Distinct values, and which of them each value is. */
export interface Dictionary {
  readonly count: number
  /** The distinct values as PLAIN, in order of first occurrence. */
  readonly values: Uint8Array
  /** A byte for the width, then indexes as runs and packed groups: what a page with RLE_DICTIONARY holds. */
  readonly indexes: Uint8Array
}

const align = (address: number) => Math.ceil(address / 64) * 64

/** The INT64 of `plain`, one at the least, as DELTA_BINARY_PACKED. */
export function packDeltas(plain: Uint8Array): Uint8Array {
  const room = 512 + 2 * plain.byteLength
  return withKernel(plain.byteLength + room + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + plain.byteLength + SLACK_BYTES
    kernel.bytes.set(plain, source)
    return kernel.bytes.slice(out, out + kernel.exports.packDeltas(source, plain.byteLength / 8, out))
  })
}

/** Levels of a byte each, none above 2^width - 1, as runs and packed groups. */
export function packLevels(levels: Uint8Array, width: number): Uint8Array {
  const room = 64 + 2 * levels.byteLength
  return withKernel(levels.byteLength + room + 2 * SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = source + levels.byteLength + SLACK_BYTES
    kernel.bytes.set(levels, source)
    return kernel.bytes.slice(out, out + kernel.exports.packLevels(source, levels.byteLength, width, out))
  })
}

/**
 * The dictionary of `count` PLAIN values of `size` bytes each, or 0 for BYTE_ARRAY, behind those that are `known`, with the indexes of the former;
 * undefined where it passes the limits.
 */
export function makeDictionary(
  plain: Uint8Array,
  count: number,
  size: number,
  { maxCount, maxBytes }: DictionaryLimits,
  known: Pick<Dictionary, 'count' | 'values'> = { count: 0, values: NO_BYTES },
): Dictionary | undefined {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(16, maxCount * 2)))
  const length = known.values.byteLength + plain.byteLength
  const all = known.count + count
  const needed = [64, length, slots * 4, maxCount * 4, all * 4, maxBytes, count * 5 + 64]
  return withKernel(needed.reduce((sum, bytes) => sum + align(bytes + SLACK_BYTES), 0) + SLACK_BYTES, (kernel) => {
    let next = kernel.arenaStart
    const [result, source, table, places, indexes, dictionary, packed] = needed.map((bytes) => {
      const at = next
      next = align(next + bytes + SLACK_BYTES)
      return at
    }) as [number, number, number, number, number, number, number]
    // They are met first, and so keep their indexes.
    kernel.bytes.set(known.values, source)
    kernel.bytes.set(plain, source + known.values.byteLength)
    const { exports } = kernel
    const distinct = exports.makeDictionary(
      source,
      length,
      size,
      table,
      slots,
      places,
      maxCount,
      maxBytes,
      indexes,
      dictionary,
      result,
    )
    if (distinct === OUTPUT_FULL) return undefined
    checkResult(distinct, 'INTERNAL', 'no dictionary can be made')
    const width = Math.max(1, 32 - Math.clz32(distinct - 1))
    kernel.bytes[packed] = width
    const packedBytes = 1 + exports.packIndexes(indexes + 4 * known.count, count, width, packed + 1)
    return {
      count: distinct,
      values: kernel.bytes.slice(dictionary, dictionary + kernel.i32[result / 4]!),
      indexes: kernel.bytes.slice(packed, packed + packedBytes),
    }
  })
}

const NO_BYTES = new Uint8Array(0)

/** Where the smallest and the largest of PLAIN values of BYTE_ARRAY begin, one at the least; compared as unsigned bytes. */
export function boundsOfBytes(plain: Uint8Array): { readonly low: number; readonly high: number } {
  return withKernel(64 + plain.byteLength + SLACK_BYTES, (kernel) => {
    const result = kernel.arenaStart
    kernel.bytes.set(plain, result + 64)
    checkResult(kernel.exports.boundsOfBytes(result + 64, plain.byteLength, result), 'INTERNAL', 'no bounds can be found')
    return { low: kernel.i32[result / 4]! >>> 0, high: kernel.i32[result / 4 + 1]! >>> 0 }
  })
}

/** `count` numbers, one at the least, of DELTA_BINARY_PACKED, each written times `scale`. @throws MillpondError `BLOCK_CORRUPT`, also where they are no safe integers. */
export function readDeltas(packed: Uint8Array, count: number, scale: number): Float64Array {
  return withKernel(align(packed.byteLength + SLACK_BYTES) + 8 * count + SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = align(source + packed.byteLength + SLACK_BYTES)
    kernel.bytes.set(packed, source)
    checkResult(
      kernel.exports.readDeltas(source, packed.byteLength, count, scale, out),
      'BLOCK_CORRUPT',
      'packed numbers cannot be read',
    )
    return kernel.f64.slice(out / 8, out / 8 + count)
  })
}

/** `count` values of `width` bits from the beginning of runs and packed groups. @throws MillpondError `BLOCK_CORRUPT`. */
export function readHybrid(packed: Uint8Array, width: number, count: number): Int32Array {
  return withKernel(align(packed.byteLength + SLACK_BYTES) + 4 * count + SLACK_BYTES, (kernel) => {
    const source = kernel.arenaStart
    const out = align(source + packed.byteLength + SLACK_BYTES)
    kernel.bytes.set(packed, source)
    const { exports } = kernel
    checkResult(exports.readHybrid(source, packed.byteLength, width, count, out), 'BLOCK_CORRUPT', 'packed levels cannot be read')
    return kernel.i32.slice(out / 4, out / 4 + count)
  })
}
