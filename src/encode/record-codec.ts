import { promisify } from 'node:util'
import {
  constants,
  gunzip as gunzipCallback,
  gunzipSync,
  gzip as gzipCallback,
  gzipSync,
  zstdCompress as zstdCompressCallback,
  zstdCompressSync,
  zstdDecompress as zstdDecompressCallback,
  zstdDecompressSync,
} from 'node:zlib'
import { MillpondError, wrapError } from '../errors.ts'
import type { RecordForm } from '../kernel/record-write.ts'
import type { RecordCodec } from './record-header.ts'
import { MAX_RECORDS_BYTES } from '../kernel/record-read.ts'

/** Codecs of record batches that Node has, on libuv's threads where that pays; the kernel has the others. */
export type ThreadedCodec = 'gzip' | 'zstd'

/** Whether Node packs records in this codec. */
export const isThreaded = (codec: RecordCodec): codec is ThreadedCodec => codec === 'gzip' || codec === 'zstd'

/** As what the kernel reads and writes records: in its own codecs as they are, for all others before they are packed. */
export const formOf = (codec: RecordCodec): RecordForm => (isThreaded(codec) || codec === 'none' ? 'plain' : codec)

/** What Node gives under the option `info`, which its types leave out: `bytesWritten` is how much of the input was read. */
interface Unpacked {
  readonly buffer: Buffer
  readonly engine: { readonly bytesWritten: number }
}
type Unpack = (bytes: Uint8Array, options: object, callback: (error: Error | null, result: Unpacked) => void) => void
type UnpackNow = (bytes: Uint8Array, options: object) => Unpacked

const packers = {
  gzip: { onThread: promisify<Uint8Array, object, Buffer>(gzipCallback), now: gzipSync },
  zstd: { onThread: promisify<Uint8Array, object, Buffer>(zstdCompressCallback), now: zstdCompressSync },
}
const unpackers = {
  gzip: {
    onThread: promisify<Uint8Array, object, Unpacked>(gunzipCallback as unknown as Unpack),
    now: gunzipSync as unknown as UnpackNow,
  },
  zstd: {
    onThread: promisify<Uint8Array, object, Unpacked>(zstdDecompressCallback as unknown as Unpack),
    now: zstdDecompressSync as unknown as UnpackNow,
  },
}

const KiB = 1024
/** Chunks of output are guessed from how much the last batch grew: one that is large enough spares putting several together. */
const MIN_CHUNK_BYTES = 16 * KiB
const MAX_CHUNK_BYTES = 4096 * KiB
/** A trip to a thread costs 60 to 100 µs of processor time: what takes less is done at once. In bytes of records. */
const SMALL_UNPACK_BYTES = 64 * KiB
const SMALL_PACK_BYTES = 16 * KiB
const likelyRatio: Record<ThreadedCodec, number> = { gzip: 6, zstd: 6 }

/** Compresses the records of one batch; they must not change until it resolves. */
export async function packRecords(codec: ThreadedCodec, records: Uint8Array, level = 1): Promise<Uint8Array> {
  const chunkSize = Math.min(1024 * KiB, Math.max(4 * KiB, records.byteLength >> 1))
  const options = {
    ...(codec === 'gzip' ? { level } : { params: { [constants.ZSTD_c_compressionLevel]: level } }),
    ...(codec === 'zstd' && { pledgedSrcSize: records.byteLength }),
    chunkSize,
  }
  const { now, onThread } = packers[codec]
  return records.byteLength <= SMALL_PACK_BYTES ? now(records, options) : onThread(records, options)
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

function unpack(codec: ThreadedCodec, bytes: Uint8Array, maxOutputLength: number): Unpacked | Promise<Unpacked> {
  const likelyBytes = Math.ceil(bytes.byteLength * likelyRatio[codec])
  const chunkSize = Math.min(MAX_CHUNK_BYTES, Math.max(MIN_CHUNK_BYTES, likelyBytes))
  const { now, onThread } = unpackers[codec]
  return (likelyBytes <= SMALL_UNPACK_BYTES ? now : onThread)(bytes, { maxOutputLength, chunkSize, info: true })
}

/** Node reads several members by itself, and ignores what follows them, as Java does. */
async function ungzip(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const { buffer } = await unpack('gzip', bytes, maxBytes)
  return compact(buffer)
}

async function unzstd(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  const frames: Uint8Array[] = []
  let at = 0
  let left = maxBytes
  // Node may stop at the end of a frame; other writers may have made several.
  do {
    const rest = bytes.subarray(at)
    const { buffer, engine } = await unpack('zstd', rest, Math.max(1, left))
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
