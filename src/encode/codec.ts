import type { Transform } from 'node:stream'
import { promisify } from 'node:util'
import {
  constants,
  crc32,
  createDeflateRaw,
  createGzip,
  createZstdCompress,
  gunzip as gunzipCallback,
  gzipSync,
  inflateRaw as inflateRawCallback,
  zstdCompressSync,
  zstdDecompress as zstdDecompressCallback,
} from 'node:zlib'
import { MillpondError, wrapError } from '../errors.ts'
import { snappyCompress, snappyDecompress } from '../kernel/snappy.ts'
import type { Codec } from './block.ts'

/** What Node gives under the option `info`, which its types leave out: `bytesWritten` is how much of the input was read. */
interface Decompressed {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
type Decompress = (bytes: Uint8Array, options: object, callback: (error: Error | null, result: Decompressed) => void) => void

const gunzip = promisify<Uint8Array, object, Decompressed>(gunzipCallback as unknown as Decompress)
const inflateRaw = promisify<Uint8Array, object, Decompressed>(inflateRawCallback as unknown as Decompress)
const zstdDecompress = promisify<Uint8Array, object, Decompressed>(zstdDecompressCallback as unknown as Decompress)

/** Bytes of a block before compression that reading accepts unless told otherwise: the largest message and its frame. */
export const MAX_RAW_BYTES = 1024 * 1024 * 1024 + 64 * 1024

/** Fast, and with the blocks of a stream nearly as small as more effort makes them. */
export const DEFAULT_LEVEL = 1

/** The checksum that ends zlib's wrapping of deflate. Source: RFC 1950. */
const ADLER_BYTES = 4

/** What is shorter is compressed before another thread would have begun, measured: 60 µs for 6 KB instead of 130, 120 for 40 KB instead of 170. */
const MAX_SYNC_BYTES = 48 * 1024

// A smaller window costs 3 % of size and saves a fifth of the time on blocks of 1 MiB.
const WINDOW_LOG = 17
const KiB = 1024

/** How to compress. */
export interface CompressOptions {
  readonly level?: number | undefined
  /** The share of `raw` that is likely to be left, where that is known: room is taken for that much, and no more. */
  readonly expectedRatio?: number
}

/** Compresses a few bytes at once, on this thread. */
export function compressNow(codec: 'zstandard' | 'gzip', bytes: Uint8Array): Uint8Array {
  return new Uint8Array(codec === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes))
}

/** Bytes that are put together when it is their turn: only few have to be in one piece at once. */
export interface LateBytes {
  readonly byteLength: number
  readonly join: () => Uint8Array
}

/** Compresses the records of a block, off the main thread where Node can; `raw` must not change until it resolves. */
export async function compress(codec: Codec, raw: Uint8Array | LateBytes, options: CompressOptions = {}): Promise<Uint8Array> {
  const { level = DEFAULT_LEVEL, expectedRatio = 0.5 } = options
  const bytes = () => (raw instanceof Uint8Array ? raw : raw.join())
  if (codec === 'null') return bytes()
  if (codec === 'snappy') return snappy(bytes())
  const chunkSize = outputChunkBytes(raw, expectedRatio)
  if (codec === 'deflate') return compact(await inTurn(() => outputOf(createDeflateRaw({ level, chunkSize }), bytes())))
  if (codec === 'gzip') return compact(await inTurn(() => outputOf(createGzip({ level, chunkSize }), bytes())))
  const hasSmallWindow = level <= 3 && raw.byteLength <= 4 * 1024 * KiB
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_checksumFlag]: 1,
    ...(hasSmallWindow && { [constants.ZSTD_c_windowLog]: WINDOW_LOG }),
  }
  const zstd = { chunkSize, pledgedSrcSize: raw.byteLength, params }
  const isShort = raw.byteLength <= MAX_SYNC_BYTES && level <= 3
  // In turn all the same: what it is put together in is free a moment later.
  if (isShort) return inTurn(async () => compact(zstdCompressSync(bytes(), zstd)))
  return compact(await inTurn(() => outputOf(createZstdCompress(zstd), bytes())))
}

/** What comes out of the stream for `input`. Node gives the end of a frame apart though it lies behind the rest: that needs no copy. */
async function outputOf(stream: Transform, input: Uint8Array): Promise<Buffer> {
  const chunks: Buffer[] = []
  const ended = Promise.withResolvers<void>()
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  stream.once('end', ended.resolve)
  stream.once('error', ended.reject)
  stream.end(input)
  await ended.promise
  const [first] = chunks
  if (first === undefined) return Buffer.alloc(0)
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  let end = first.byteOffset
  const isOnePiece = chunks.every(({ buffer, byteOffset, byteLength }) => {
    const follows = buffer === first.buffer && byteOffset === end
    end += byteLength
    return follows
  })
  return isOnePiece ? Buffer.from(first.buffer, first.byteOffset, bytes) : Buffer.concat(chunks, bytes)
}

/** More than libuv has threads, so that each finds its next one; each holds about a megabyte from when it is asked for. */
const MAX_COMPRESSING = 8
const waiting: (() => void)[] = []
let compressing = 0

/** Lets few compress at once: hundreds of lanes may close a block in one moment. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (compressing === MAX_COMPRESSING) await new Promise<void>((resolve) => waiting.push(resolve))
  else compressing++
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next === undefined) compressing--
    else next()
  }
}

/**
 * Decompresses the records of a block; gives `bytes` itself for the codec `null`.
 * @throws MillpondError `BLOCK_CORRUPT`, also where more than `maxRawBytes` would come out.
 */
export async function decompress(codec: Codec, bytes: Uint8Array, maxRawBytes = MAX_RAW_BYTES): Promise<Uint8Array> {
  if (codec === 'null') return bytes
  if (codec === 'snappy') return checkCrc(bytes, maxRawBytes)
  try {
    if (codec === 'gzip') return await ungzip(bytes, maxRawBytes)
    return await (codec === 'deflate' ? inflate(bytes, maxRawBytes) : unzstd(bytes, maxRawBytes))
  } catch (error) {
    throw wrapError(error, 'BLOCK_CORRUPT', `${codec} data of ${bytes.byteLength} bytes cannot be read`, { codec })
  }
}

/**
 * What the first frame, or deflate stream, of `bytes` holds, and how many bytes that took; something else may follow.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export async function decompressFirst(
  codec: 'zstandard' | 'deflate',
  bytes: Uint8Array,
  maxRawBytes: number,
): Promise<{ readonly bytes: Uint8Array; readonly readBytes: number }> {
  try {
    const chunkSize = codec === 'zstandard' ? zstdChunkBytes(bytes) : 512 * KiB
    const options = { maxOutputLength: maxRawBytes, chunkSize, info: true }
    const { buffer, engine } = await (codec === 'zstandard' ? zstdDecompress(bytes, options) : inflateRaw(bytes, options))
    if (engine.bytesWritten === 0) throw new MillpondError('BLOCK_CORRUPT', `${codec} data without a frame`)
    return { bytes: compact(buffer), readBytes: engine.bytesWritten }
  } catch (error) {
    throw wrapError(error, 'BLOCK_CORRUPT', `${codec} data of ${bytes.byteLength} bytes cannot be read`, { codec })
  }
}

async function inflate(bytes: Uint8Array, maxRawBytes: number): Promise<Uint8Array> {
  const { buffer, engine } = await inflateRaw(bytes, { maxOutputLength: maxRawBytes, chunkSize: 2048 * KiB, info: true })
  // Node ignores what follows the end of the data. fastavro leaves three bytes of zlib's checksum there (1.12.1, `deflate_write_block`).
  if (bytes.byteLength - engine.bytesWritten > ADLER_BYTES)
    throw new MillpondError('BLOCK_CORRUPT', 'bytes follow the deflate data')
  return compact(buffer)
}

/** All members, one behind the other. */
async function ungzip(bytes: Uint8Array, maxRawBytes: number): Promise<Uint8Array> {
  // The last member ends in its length; one byte more, for a full chunk would make Node add another.
  const tail = bytes.byteLength < 18 ? 0 : new DataView(bytes.buffer, bytes.byteOffset + bytes.byteLength - 4).getUint32(0, true)
  const chunkSize = Math.max(64, Math.min(tail + 1, 4 * 1024 * KiB))
  const { buffer, engine } = await gunzip(bytes, { maxOutputLength: maxRawBytes, chunkSize, info: true })
  if (engine.bytesWritten !== bytes.byteLength) throw new MillpondError('BLOCK_CORRUPT', 'bytes follow the gzip data')
  return compact(buffer)
}

async function unzstd(bytes: Uint8Array, maxRawBytes: number): Promise<Uint8Array> {
  const frames: Uint8Array[] = []
  let at = 0
  let left = maxRawBytes
  // Node may stop at the end of a frame; other writers may have made several.
  do {
    const rest = bytes.subarray(at)
    const options = { maxOutputLength: Math.max(1, left), chunkSize: zstdChunkBytes(rest), info: true }
    const { buffer, engine } = await zstdDecompress(rest, options)
    if (engine.bytesWritten === 0 || buffer.byteLength > left)
      throw new MillpondError('BLOCK_CORRUPT', 'zstandard data without a frame, or too long')
    frames.push(compact(buffer))
    at += engine.bytesWritten
    left -= buffer.byteLength
  } while (at < bytes.byteLength)
  return frames.length === 1 ? frames[0]! : new Uint8Array(Buffer.concat(frames))
}

/** Blocks of one lane shrink alike: with a little to spare one chunk takes all, and nothing is copied afterwards. */
const outputChunkBytes = (raw: Pick<Uint8Array, 'byteLength'>, expectedRatio: number) =>
  Math.min(1024 * KiB, Math.max(4 * KiB, Math.ceil(raw.byteLength * expectedRatio * 1.08) + KiB))

/** Room for all that comes out where the frame says how much, and for one byte more: a full chunk would make Node add another. */
function zstdChunkBytes(bytes: Uint8Array): number {
  const size = zstdContentBytes(bytes)
  return size === undefined ? 2 * 1024 * KiB : Math.max(64, Math.min(size + 1, 4 * 1024 * KiB))
}

/** The content size that the header of a Zstandard frame may give. Source: RFC 8878, 3.1.1.1. */
function zstdContentBytes(bytes: Uint8Array): number | undefined {
  if (bytes.byteLength < 18) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== 0xfd2f_b528) return undefined
  const descriptor = view.getUint8(4)
  const isSingleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]!
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? view.getUint8(at) : undefined
    case 1:
      return view.getUint16(at, true) + 256
    case 2:
      return view.getUint32(at, true)
    default:
      return Number(view.getBigUint64(at, true))
  }
}

/** Gives back a chunk that is mostly empty: blocks wait for their segment, and their unused rest would wait with them. */
function compact(buffer: Buffer): Uint8Array {
  const isMostlyUsed = buffer.buffer.byteLength <= buffer.byteLength + (buffer.byteLength >> 3)
  return isMostlyUsed ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer)
}

/** Avro's snappy: the data, then the CRC-32 of what was compressed, high byte first. Source: Avro 1.12 specification, "snappy". */
function snappy(raw: Uint8Array): Uint8Array {
  const compressed = snappyCompress(raw)
  const bytes = new Uint8Array(compressed.byteLength + 4)
  bytes.set(compressed)
  new DataView(bytes.buffer).setUint32(compressed.byteLength, crc32(raw))
  return bytes
}

function checkCrc(bytes: Uint8Array, maxRawBytes: number): Uint8Array {
  const length = bytes.byteLength - 4
  if (length < 0) throw new MillpondError('BLOCK_CORRUPT', 'snappy data without its checksum')
  const raw = snappyDecompress(bytes.subarray(0, length), maxRawBytes)
  const expected = new DataView(bytes.buffer, bytes.byteOffset + length, 4).getUint32(0)
  if (crc32(raw) !== expected) throw new MillpondError('BLOCK_CORRUPT', 'snappy data does not match its CRC-32')
  return raw
}
