import { crc32 } from 'node:zlib'
import { MillpondError } from '../errors.ts'
import { snappyUnframe } from '../kernel/snappy-frame.ts'
import { xerialEnd, xerialUnframe } from '../kernel/snappy-xerial.ts'
import { decompressFirst, MAX_RAW_BYTES } from './codec.ts'
import type { FoundBlock } from './segment-format.ts'

/** One stream of a file of lines, and what it holds. */
interface LineStream {
  readonly bytes: number
  readonly lines: Uint8Array
}

/** Reads the stream that `rest` begins with. */
type TakeStream = (rest: Uint8Array) => Promise<LineStream>

const GZIP_TRAILER_BYTES = 8
const SNAPPY_HEAD_BYTES = 4
const SNAPPY_IDENTIFIER = 0xff
const NAME_ENDS_IN = 0

/** How files of each codec begin; a file that begins otherwise is not compressed. */
const codecs: readonly { readonly magic: readonly number[]; readonly take: TakeStream }[] = [
  { magic: [0x1f, 0x8b, 8], take: takeGzip },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], take: takeZstandard },
  { magic: [0xff, 6, 0, 0, 0x73, 0x4e, 0x61, 0x50, 0x70, 0x59], take: takeSnappy },
  { magic: [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0], take: takeXerial },
]

/**
 * The streams of a file of lines as blocks; one whose content is `firstLine`, at its beginning, is none. A file that is not compressed is one block.
 * @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`.
 */
export async function splitLineFile(
  object: Uint8Array,
  {
    firstLine = new Uint8Array(0),
    count,
  }: { readonly firstLine?: Uint8Array | undefined; readonly count: (lines: Uint8Array) => number },
): Promise<readonly FoundBlock[]> {
  const isFirst = (lines: Uint8Array) => firstLine.byteLength > 0 && Buffer.compare(lines, firstLine) === 0
  const codec = codecs.find(({ magic }) => magic.every((byte, at) => object[at] === byte))
  if (codec === undefined) {
    const offset = isFirst(object.subarray(0, firstLine.byteLength)) ? firstLine.byteLength : 0
    return [{ offset, bytes: object.byteLength - offset, count: count(object.subarray(offset)) }]
  }
  const blocks: FoundBlock[] = []
  for (let at = 0; at < object.byteLength;) {
    const { bytes, lines } = await codec.take(object.subarray(at))
    if (at > 0 || !isFirst(lines)) blocks.push({ offset: at, bytes, count: count(lines) })
    at += bytes
  }
  return blocks
}

async function takeZstandard(rest: Uint8Array): Promise<LineStream> {
  const { bytes, readBytes } = await decompressFirst('zstandard', rest, MAX_RAW_BYTES)
  return { bytes: readBytes, lines: bytes }
}

async function takeGzip(rest: Uint8Array): Promise<LineStream> {
  const start = gzipHeaderBytes(rest)
  const { bytes, readBytes } = await decompressFirst('deflate', rest.subarray(start), MAX_RAW_BYTES)
  const end = start + readBytes
  if (end + GZIP_TRAILER_BYTES > rest.byteLength) throw corrupt('a gzip member is cut')
  if (new DataView(rest.buffer, rest.byteOffset + end, 4).getUint32(0, true) !== crc32(bytes))
    throw corrupt('a gzip member does not match its CRC-32')
  return { bytes: end + GZIP_TRAILER_BYTES, lines: bytes }
}

/** Source: RFC 1952, 2.3. */
function gzipHeaderBytes(rest: Uint8Array): number {
  const flags = rest[3] ?? 0
  let at = 10
  const behindText = () => {
    const end = rest.indexOf(NAME_ENDS_IN, at)
    return end === -1 ? Infinity : end + 1
  }
  if ((flags & 4) !== 0) at += 2 + (rest[at] ?? 0) + 256 * (rest[at + 1] ?? 0)
  if ((flags & 8) !== 0) at = behindText()
  if ((flags & 16) !== 0) at = behindText()
  if ((flags & 2) !== 0) at += 2
  if (rest[0] !== 0x1f || rest[1] !== 0x8b || at >= rest.byteLength) throw corrupt('a gzip member has no header')
  return at
}

/** Up to where the next stream names itself. */
async function takeSnappy(rest: Uint8Array): Promise<LineStream> {
  let at = 0
  do {
    if (at + SNAPPY_HEAD_BYTES > rest.byteLength) throw corrupt('a chunk of snappy data is cut')
    at += SNAPPY_HEAD_BYTES + rest[at + 1]! + (rest[at + 2]! << 8) + (rest[at + 3]! << 16)
  } while (at < rest.byteLength && rest[at] !== SNAPPY_IDENTIFIER)
  return { bytes: at, lines: snappyUnframe(rest.subarray(0, at), MAX_RAW_BYTES) }
}

async function takeXerial(rest: Uint8Array): Promise<LineStream> {
  const bytes = xerialEnd(rest)
  if (bytes === Infinity) throw corrupt('a chunk of snappy data is cut')
  return { bytes, lines: xerialUnframe(rest.subarray(0, bytes), MAX_RAW_BYTES) }
}

const corrupt = (message: string) => new MillpondError('SEGMENT_CORRUPT', message)
