/** Pages of a Parquet file. Source of all numbers: Apache Parquet format 2.12, `parquet.thrift`, read 2026-11. */
import { crc32 } from 'node:zlib'
import { MillpondError } from '../errors.ts'
import { packLevels } from '../kernel/parquet.ts'
import { snappyCompress, snappyDecompress } from '../kernel/snappy.ts'
import type { Codec, ParquetBlock, StoredCodec } from './block.ts'
import { compress, DEFAULT_LEVEL, decompress } from './codec.ts'
import { i32, readThrift, struct, thriftBytes, type ThriftRead } from './parquet-thrift.ts'
import { packRecords, unpackRecords } from './record-codec.ts'

/** Compression of pages, as blocks and segments name it. */
export type PageCodec = ParquetBlock['codec']

/** Their numbers in a footer. */
export const codecNumbers: Readonly<Record<PageCodec, number>> = { null: 0, snappy: 1, gzip: 2, zstandard: 6 }

/** Encodings with their numbers. */
export const encodings = { plain: 0, rle: 3, delta: 5, dictionary: 8 } as const

/** What a codec is called where pages have it: Parquet knows deflate in gzip's wrapping only. */
export const pageCodec = (codec: Codec): PageCodec => (codec === 'deflate' ? 'gzip' : codec)

/** The same of what a segment says of itself. @throws MillpondError `FORMAT_UNSUPPORTED`. */
export function storedPageCodec(codec: StoredCodec): PageCodec {
  if (codec === 'zstandard' || codec === 'gzip' || codec === 'snappy' || codec === 'null') return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format parquet has no codec ${codec}`)
}

const DATA_PAGE = 0
const DICTIONARY_PAGE = 2

/** What takes less is compressed at once: a trip to a thread costs more. */
const SMALL_BYTES = 16 * 1024

/** A page before compression; its bytes must not change until it is made. */
export interface RawPage {
  readonly kind: 'data' | 'dictionary'
  readonly encoding: number
  /** Values, nulls and empty lists included. */
  readonly count: number
  readonly bytes: Uint8Array
}

/** Header and compressed bytes of a page. */
export interface Page {
  readonly header: Uint8Array
  readonly bytes: Uint8Array
  readonly rawBytes: number
}

/** How pages are compressed. */
export interface PageOptions {
  readonly codec: PageCodec
  readonly level?: number | undefined
}

/** Compresses a page and puts its header in front. */
export async function makePage({ kind, encoding, count, bytes: raw }: RawPage, options: PageOptions): Promise<Page> {
  const bytes = await compressPage(raw, options)
  const header = thriftBytes(
    struct({
      1: i32(kind === 'data' ? DATA_PAGE : DICTIONARY_PAGE),
      2: i32(raw.byteLength),
      3: i32(bytes.byteLength),
      4: i32(crc32(bytes) | 0),
      5: kind === 'data' ? struct({ 1: i32(count), 2: i32(encoding), 3: i32(encodings.rle), 4: i32(encodings.rle) }) : undefined,
      7: kind === 'dictionary' ? struct({ 1: i32(count), 2: i32(encoding) }) : undefined,
    }),
  )
  return { header, bytes, rawBytes: raw.byteLength }
}

async function compressPage(raw: Uint8Array, { codec, level = DEFAULT_LEVEL }: PageOptions): Promise<Uint8Array> {
  if (codec === 'null') return Uint8Array.from(raw)
  if (codec === 'snappy') return snappyCompress(raw)
  if (codec === 'gzip') return packRecords('gzip', raw, level)
  return raw.byteLength <= SMALL_BYTES ? packRecords('zstd', raw, level) : compress('zstandard', raw, { level })
}

/** A page that was read. */
export interface PageRead {
  readonly kind: 'data' | 'dictionary'
  readonly encoding: number
  readonly count: number
  /** Compressed; a part of what was read from. */
  readonly bytes: Uint8Array
  readonly rawBytes: number
  /** Where the next page begins. */
  readonly end: number
}

/** The page that begins at `at`; its checksum was compared. @throws MillpondError `BLOCK_CORRUPT`. */
export function readPage(stored: Uint8Array, at: number): PageRead {
  const { fields, end: start } = readThrift(stored, at)
  const number = (of: ReadonlyMap<number, ThriftRead>, id: number) => {
    const value = of.get(id)
    if (typeof value === 'number' && Number.isSafeInteger(value)) return value
    throw corrupt('its header lacks a number', at)
  }
  const rawBytes = number(fields, 2)
  const bytes = number(fields, 3)
  if (rawBytes < 0 || bytes < 0 || bytes > stored.byteLength - start) throw corrupt('it has no length that it can have', at)
  const kind = number(fields, 1) === DATA_PAGE ? 'data' : 'dictionary'
  const about = fields.get(kind === 'data' ? 5 : 7)
  if (!(about instanceof Map)) throw corrupt('it is neither of values nor of a dictionary', at)
  const page = stored.subarray(start, start + bytes)
  if ((crc32(page) | 0) !== number(fields, 4)) throw corrupt('it does not match its CRC-32', at)
  const count = number(about, 1)
  if (count < 0 || count > MAX_COUNT) throw corrupt(`it cannot hold ${count} values`, at)
  return { kind, encoding: number(about, 2), count, bytes: page, rawBytes, end: start + bytes }
}

/** Values of one page: their count has 31 bits, and their spans take memory. */
const MAX_COUNT = 1 << 25

/** The bytes of a page before compression. @throws MillpondError `BLOCK_CORRUPT`. */
export async function decompressPage({ bytes, rawBytes }: PageRead, codec: PageCodec): Promise<Uint8Array> {
  const raw = await decompressed(bytes, rawBytes, codec)
  if (raw.byteLength !== rawBytes) throw corrupt(`it has ${raw.byteLength} bytes, its header says ${rawBytes}`, 0)
  return raw
}

async function decompressed(bytes: Uint8Array, rawBytes: number, codec: PageCodec): Promise<Uint8Array> {
  if (codec === 'null') return bytes
  if (codec === 'snappy') return snappyDecompress(bytes, rawBytes)
  if (codec === 'zstandard' && rawBytes > SMALL_BYTES) return decompress('zstandard', bytes, rawBytes)
  try {
    return await unpackRecords(codec === 'gzip' ? 'gzip' : 'zstd', bytes, rawBytes)
  } catch (error) {
    const what = `a page of ${bytes.byteLength} bytes cannot be read`
    throw new MillpondError('BLOCK_CORRUPT', what, { cause: error, details: { codec } })
  }
}

/** Levels of a byte each as a page has them: length, then runs and packed groups; nothing where none can be above 0. */
export function levelBytes(levels: Uint8Array, max: number): Uint8Array {
  if (max === 0) return NO_BYTES
  const width = 32 - Math.clz32(max)
  const packed = packLevels(levels, width)
  const bytes = new Uint8Array(4 + packed.byteLength)
  new DataView(bytes.buffer).setUint32(0, packed.byteLength, true)
  bytes.set(packed, 4)
  return bytes
}

const NO_BYTES = new Uint8Array(0)

const corrupt = (what: string, at: number) =>
  new MillpondError('BLOCK_CORRUPT', `a page cannot be read: ${what}`, { details: { at } })
