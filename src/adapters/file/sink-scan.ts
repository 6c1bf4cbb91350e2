import { createReadStream } from 'node:fs'
import { splitLines } from '../../encode/lines.ts'
import { MillpondError } from '../../errors.ts'
import { fileFailure } from './sink-file.ts'

/** What a file of JSON lines says of the messages in it. */
interface ScannedLines {
  /** Behind the last whole line. */
  readonly bytes: number
  /** By origin, as `originPrefix` names it, the position behind the last one that is there. */
  readonly next: Readonly<Record<string, number>>
}

/** What the lines of an origin begin with; `writeJsonLines` writes it, and the position follows. */
export function originPrefix(origin: { readonly topic: string; readonly lane: string }): string {
  return `{"topic":${JSON.stringify(origin.topic)},"lane":${JSON.stringify(origin.lane)}`
}

const CHUNK_BYTES = 1024 * 1024
const MAX_LINE_BYTES = 0x7fff_ff00
const POSITION = Buffer.from(',"position":')
const LINE_FEED = 10

/**
 * Reads the lines that start at `startBytes` or behind. The first line that is torn (the last one without its end, or one with the
 * zeros that a power failure leaves) ends what counts.
 * @throws MillpondError `JOB_CONFLICT` for lines that no sink wrote, or whose positions do not rise; `DELIVERY_FAILED`.
 */
export async function scanLines(path: string, startBytes: number): Promise<ScannedLines> {
  const next = new Map<string, number>()
  let bytes = startBytes
  let origin: KnownOrigin | undefined
  const stream = createReadStream(path, { start: startBytes, highWaterMark: CHUNK_BYTES })
  try {
    for await (const chunk of splitLines(stream, { chunkBytes: CHUNK_BYTES, maxLineBytes: MAX_LINE_BYTES })) {
      const buffer = Buffer.from(chunk.bytes.buffer, chunk.bytes.byteOffset, chunk.bytes.byteLength)
      const zero = buffer.indexOf(0)
      const end = buffer.lastIndexOf(LINE_FEED, zero === -1 ? undefined : zero) + 1
      for (let at = 0; at < end; at = buffer.indexOf(LINE_FEED, at) + 1) {
        if (buffer[at] === LINE_FEED) continue
        origin = readOrigin(buffer, at, origin) ?? foreign(path, bytes + at, 'is none of a replay')
        if (origin.position < (next.get(origin.prefix) ?? 0)) foreign(path, bytes + at, 'comes before one of the same lane')
        next.set(origin.prefix, origin.position + 1)
      }
      bytes += end
      if (end < buffer.byteLength) break
    }
  } catch (error) {
    throw fileFailure(error, 'read', path)
  } finally {
    stream.destroy()
  }
  return { bytes, next: Object.fromEntries(next) }
}

interface KnownOrigin {
  readonly prefix: string
  readonly prefixBytes: Buffer
  readonly position: number
}

/** What the line at `at` begins with; most lines are of the origin of the one before. */
function readOrigin(buffer: Buffer, at: number, before: KnownOrigin | undefined): KnownOrigin | undefined {
  const length = before?.prefixBytes.byteLength ?? 0
  const same = before !== undefined && before.prefixBytes.compare(buffer, at, Math.min(at + length, buffer.byteLength)) === 0
  const prefixEnd = same ? at + length : buffer.indexOf(POSITION, at) + POSITION.byteLength
  const prefixBytes = same ? before.prefixBytes : Buffer.from(buffer.subarray(at, prefixEnd))
  const prefix = same ? before.prefix : prefixBytes.toString('utf8', 0, Math.max(0, prefixBytes.byteLength - POSITION.byteLength))
  let position = 0
  let digitEnd = prefixEnd
  for (; buffer[digitEnd]! >= 0x30 && buffer[digitEnd]! <= 0x39; digitEnd++) position = position * 10 + buffer[digitEnd]! - 0x30
  const right = prefix.startsWith('{"topic":"') && digitEnd > prefixEnd && Number.isSafeInteger(position)
  return right ? { prefix, prefixBytes, position } : undefined
}

function foreign(path: string, offset: number, why: string): never {
  throw new MillpondError('JOB_CONFLICT', `the line at byte ${offset} of ${path} ${why}: the job cannot go on in this file`, {
    details: { path, offset },
  })
}
