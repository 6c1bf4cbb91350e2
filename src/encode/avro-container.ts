/**
 * The Avro object container file of any schema: a header, then blocks, each framed by its count, its length and the file's sync marker. Source: Apache
 * Avro 1.12.0 specification, "Object Container Files".
 */
import { MillpondError } from '../errors.ts'
import { Output } from '../values/avro/output.ts'
import type { Codec } from './block.ts'
import type { FoundBlock } from './segment-format.ts'

/** Bytes of a sync marker. */
export const SYNC_BYTES = 16

/** How a container file begins. */
export const MAGIC = Uint8Array.of(0x4f, 0x62, 0x6a, 1)
const CODECS: readonly string[] = ['zstandard', 'deflate', 'snappy', 'null'] satisfies Codec[]
/** What a frame takes at the most. */
const FRAME_BYTES = 20
/** A header has a schema and a codec's name; one that is larger than this is not read. */
const MAX_HEADER_BYTES = 1024 * 1024
// Without `ignoreBOM` a byte order mark at the beginning would be lost, and with it the name that was given.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What a container file says about itself. */
export interface ContainerHeader {
  readonly codec: Codec
  readonly sync: Uint8Array
  /** Length of the header: where the first block begins. */
  readonly bytes: number
}

/** One block of a container file, as it lies there. */
export interface FramedBlock {
  readonly count: number
  /** The compressed records. */
  readonly payload: Uint8Array
  /** Bytes of the block in the file, with its framing. */
  readonly bytes: number
}

/** What a container file has before its first sync marker: notes of names and texts, of which one is its schema and one its codec. */
export function containerHeader(notes: Readonly<Record<string, string>>): Uint8Array {
  const output = new Output()
  output.copy(MAGIC)
  const entries = Object.entries(notes)
  output.writeLong(entries.length)
  for (const [name, text] of entries) {
    output.writeText(name)
    output.writeText(text)
  }
  output.writeByte(0)
  return output.written()
}

/** What comes before a block's records in the file: how many they are, and the length of their compressed form. */
export function blockFrame(count: number, payloadBytes: number): Uint8Array {
  const output = new Output(FRAME_BYTES)
  output.writeLong(count)
  output.writeLong(payloadBytes)
  return output.written()
}

/** Whether bytes begin as a container file does. */
export const isContainer = (bytes: Uint8Array): boolean => isEqual(bytes.subarray(0, MAGIC.byteLength), MAGIC)

/**
 * Takes the framing off a block's bytes, which must hold exactly one block.
 * @throws MillpondError `BLOCK_CORRUPT`; with `sync` also where the block does not end in it.
 */
export function parseStoredBlock(bytes: Uint8Array, sync?: Uint8Array): FramedBlock {
  const block = takeBlock(bytes)
  if (block === undefined || block.bytes !== bytes.byteLength)
    throw corrupt(`a stored block of ${bytes.byteLength} bytes does not fit its frame`)
  if (sync !== undefined && !isEqual(bytes.subarray(bytes.byteLength - SYNC_BYTES), sync))
    throw corrupt('a block does not end in its sync marker')
  return block
}

/**
 * Reads the header from the first bytes of a container file of any schema; undefined where they end before the header does.
 * @throws MillpondError `SEGMENT_CORRUPT` for what is no container file, `FORMAT_UNSUPPORTED` for a codec that is not known.
 */
export function parseContainerHeader(bytes: Uint8Array): (ContainerHeader & { readonly schema: string }) | undefined {
  if (!isEqual(bytes.subarray(0, MAGIC.byteLength), MAGIC.subarray(0, bytes.byteLength))) {
    throw new MillpondError('SEGMENT_CORRUPT', 'this is no Avro object container file')
  }
  const metadata = takeMetadata(bytes, MAGIC.byteLength)
  if (metadata === undefined || metadata.end + SYNC_BYTES > bytes.byteLength) {
    if (bytes.byteLength > MAX_HEADER_BYTES)
      throw new MillpondError('SEGMENT_CORRUPT', 'the header of the container file does not end')
    return undefined
  }
  const codec = metadata.entries.get('avro.codec') ?? 'null'
  if (!isCodec(codec)) throw new MillpondError('FORMAT_UNSUPPORTED', `codec ${codec} of the container file is not known`)
  return {
    schema: metadata.entries.get('avro.schema') ?? '',
    codec,
    sync: Uint8Array.from(bytes.subarray(metadata.end, metadata.end + SYNC_BYTES)),
    bytes: metadata.end + SYNC_BYTES,
  }
}

/** Where the blocks of a whole container file lie, `start` being the end of its header. @throws MillpondError `BLOCK_CORRUPT`. */
export function splitAvroFile(file: Uint8Array, start: number): FoundBlock[] {
  const blocks: FoundBlock[] = []
  for (let at = start; at < file.byteLength;) {
    const frame = takeFrame(file, at)
    const bytes = frame === undefined ? Infinity : frame.end - at + frame.payloadBytes + SYNC_BYTES
    if (frame === undefined || at + bytes > file.byteLength) throw passesEnd(at)
    blocks.push({ offset: at, bytes, count: frame.count })
    at += bytes
  }
  return blocks
}

function takeBlock(bytes: Uint8Array): FramedBlock | undefined {
  const frame = takeFrame(bytes, 0)
  if (frame === undefined) return undefined
  const end = frame.end + frame.payloadBytes
  return { count: frame.count, payload: bytes.subarray(frame.end, end), bytes: end + SYNC_BYTES }
}

/** A frame at `at`; undefined where the bytes end before it does. @throws MillpondError `BLOCK_CORRUPT`. */
export function takeFrame(bytes: Uint8Array, at: number): { count: number; payloadBytes: number; end: number } | undefined {
  const count = takeLong(bytes, at)
  const payload = count === undefined ? undefined : takeLong(bytes, count.end)
  if (count === undefined || payload === undefined) return undefined
  if (count.value < 0 || payload.value < 0) throw corrupt('a block with a negative count or length')
  return { count: count.value, payloadBytes: payload.value, end: payload.end }
}

/** The map of names to bytes; undefined where the bytes end before it does. */
function takeMetadata(bytes: Uint8Array, start: number): { entries: Map<string, string>; end: number } | undefined {
  const entries = new Map<string, string>()
  let at = start
  for (;;) {
    const count = takeLong(bytes, at)
    if (count === undefined) return undefined
    at = count.end
    if (count.value === 0) return { entries, end: at }
    if (count.value < 0) at = takeLong(bytes, at)?.end ?? Infinity
    for (let left = Math.abs(count.value); left > 0; left--) {
      const name = takeText(bytes, at)
      const value = name && takeText(bytes, name.end)
      if (value === undefined) return undefined
      entries.set(name!.text, value.text)
      at = value.end
    }
  }
}

function takeText(bytes: Uint8Array, at: number): { text: string; end: number } | undefined {
  const length = takeLong(bytes, at)
  if (length === undefined) return undefined
  if (length.value < 0) throw new MillpondError('SEGMENT_CORRUPT', 'the header of the container file has a negative length')
  const end = length.end + length.value
  return end > bytes.byteLength ? undefined : { text: decoder.decode(bytes.subarray(length.end, end)), end }
}

/** A long at `at`: for framing only, so at most nine bytes, which hold any length there is. */
function takeLong(bytes: Uint8Array, at: number): { value: number; end: number } | undefined {
  let zigzag = 0n
  for (let i = 0; i < 9; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    zigzag |= BigInt(byte & 0x7f) << BigInt(7 * i)
    if (byte < 0x80) return { value: Number(BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n))), end: at + i + 1 }
  }
  throw corrupt('a number of the framing is too long')
}

/** Whether container files know the codec by this name. */
export const isCodec = (codec: string): codec is Codec => CODECS.includes(codec)

const isEqual = (a: Uint8Array, b: Uint8Array) => a.byteLength === b.byteLength && Buffer.compare(a, b) === 0

const corrupt = (message: string, details: Record<string, unknown> = {}) =>
  new MillpondError('BLOCK_CORRUPT', message, { details })

/** Why a file cannot be read whose block at `offset` is not there whole. */
export const passesEnd = (offset: number): MillpondError =>
  corrupt(`the block at ${offset} passes the end of the file`, { offset })
