import { promisify } from 'node:util'
import {
  constants,
  gunzip as gunzipCallback,
  gzip as gzipCallback,
  zstdCompress as zstdCompressCallback,
  zstdDecompress as zstdDecompressCallback,
} from 'node:zlib'
import { MillpondError, wrapError } from '../errors.ts'
import { MAX_RECORDS_BYTES } from '../kernel/record-read.ts'

/** Codecs of record batches that Node has, on libuv's threads; the kernel has the others. */
export type ThreadedCodec = 'gzip' | 'zstd'

/** What Node gives under the option `info`, which its types leave out: `bytesWritten` is how much of the input was read. */
interface Unpacked {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
type Unpack = (bytes: Uint8Array, options: object, callback: (error: Error | null, result: Unpacked) => void) => void

const gzip = promisify<Uint8Array, object, Buffer>(gzipCallback)
const gunzip = promisify<Uint8Array, object, Unpacked>(gunzipCallback as unknown as Unpack)
const zstdCompress = promisify<Uint8Array, object, Buffer>(zstdCompressCallback)
const zstdDecompress = promisify<Uint8Array, object, Unpacked>(zstdDecompressCallback as unknown as Unpack)

const KiB = 1024
/** Chunks of output are guessed from how much the last batch grew: one that is large enough spares putting several together. */
const MIN_CHUNK_BYTES = 16 * KiB
const MAX_CHUNK_BYTES = 4096 * KiB
const likelyRatio: Record<ThreadedCodec, number> = { gzip: 6, zstd: 6 }

/** Compresses the records of one batch; they must not change until it resolves. */
export async function packRecords(codec: ThreadedCodec, records: Uint8Array, level = 1): Promise<Uint8Array> {
  const chunkSize = Math.min(1024 * KiB, Math.max(4 * KiB, records.byteLength >> 1))
  if (codec === 'gzip') return gzip(records, { level, chunkSize })
  const params = { [constants.ZSTD_c_compressionLevel]: level }
  return zstdCompress(records, { params, chunkSize, pledgedSrcSize: records.byteLength })
}

/**
 * Decompresses the records of one batch.
 * @throws MillpondError `RECORD_SET_CORRUPT`, also where more than `maxBytes` would come out.
 */
export async function unpackRecords(codec: ThreadedCodec, bytes: Uint8Array, maxBytes = MAX_RECORDS_BYTES): Promise<Uint8Array> {
  try {
    const records = await (codec === 'gzip' ? ungzip(bytes, maxBytes) : unzstd(bytes, maxBytes))
    likelyRatio[codec] = (records.byteLength / bytes.byteLength) * 1.25
    return records
  } catch (error) {
    throw wrapError(error, 'RECORD_SET_CORRUPT', `${codec} data of ${bytes.byteLength} bytes cannot be read`, { codec })
  }
}

const chunkBytes = (codec: ThreadedCodec, bytes: Uint8Array) =>
  Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, Math.ceil(bytes.byteLength * likelyRatio[codec])))

/** Node reads several members by itself, and ignores what follows them, as Java does. */
async function ungzip(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const { buffer } = await gunzip(bytes, { maxOutputLength: maxBytes, chunkSize: chunkBytes('gzip', bytes), info: true })
  return compact(buffer)
}

async function unzstd(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const frames: Uint8Array[] = []
  let at = 0
  let left = maxBytes
  // Node may stop at the end of a frame; other writers may have made several.
  do {
    const rest = bytes.subarray(at)
    const options = { maxOutputLength: Math.max(1, left), chunkSize: chunkBytes('zstd', rest), info: true }
    const { buffer, engine } = await zstdDecompress(rest, options)
    if (engine.bytesWritten === 0 || buffer.byteLength > left)
      throw new MillpondError('RECORD_SET_CORRUPT', 'zstd data without a frame, or too long')
    frames.push(compact(buffer))
    at += engine.bytesWritten
    left -= buffer.byteLength
  } while (at < bytes.byteLength)
  return frames.length === 1 ? frames[0]! : new Uint8Array(Buffer.concat(frames))
}

/** Gives back a chunk that is mostly empty: messages may be held for long, and its unused rest with them. */
function compact(buffer: Buffer): Uint8Array {
  const isMostlyUsed = buffer.buffer.byteLength <= 2 * buffer.byteLength
  return isMostlyUsed ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer)
}
