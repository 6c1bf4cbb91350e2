import { open } from 'node:fs/promises'
import { wrapError } from '../errors.ts'

const LINE_FEED = 10

/** Bytes that are read in order. */
export interface ByteReader extends AsyncDisposable {
  /** Fills the beginning of the array; gives how many bytes it wrote, 0 at the end only. */
  read(into: Uint8Array): Promise<number>
}

/** Whole lines of an input. */
export interface LineChunk {
  readonly bytes: Uint8Array
  /** Number of its first line, from 1. */
  readonly firstLine: number
  readonly lines: number
  /** Says that nobody looks at `bytes` any more: they are written over. */
  readonly release: () => void
}

/** @throws MillpondError `USAGE` where the file cannot be read. */
export async function openFileReader(path: string): Promise<ByteReader> {
  const file = await open(path).catch((error: unknown) => {
    throw wrapError(error, 'USAGE', `cannot read ${path}`)
  })
  return {
    read: async (into) => (await file.read(into, 0, into.byteLength)).bytesRead,
    [Symbol.asyncDispose]: () => file.close(),
  }
}

/** Reads a stream, such as standard input. */
export function createStreamReader(stream: AsyncIterable<Uint8Array>): ByteReader {
  const parts = stream[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  return {
    async read(into) {
      while (rest.byteLength === 0) {
        const next = await parts.next()
        if (next.done) return 0
        rest = next.value
      }
      const bytes = Math.min(rest.byteLength, into.byteLength)
      into.set(rest.subarray(0, bytes))
      rest = rest.subarray(bytes)
      return bytes
    },
    async [Symbol.asyncDispose]() {
      await parts.return?.()
    },
  }
}

/** Counts lines; the last one may lack its end. */
export function countLines(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return bytes.byteLength > 0 && bytes.at(-1) !== LINE_FEED ? lines + 1 : lines
}

/** The bytes of the first `lines` lines. */
export function firstLines(bytes: Uint8Array, lines: number): Uint8Array {
  let end = 0
  for (let line = 0; line < lines; line++) {
    const at = bytes.indexOf(LINE_FEED, end)
    if (at === -1) return bytes
    end = at + 1
  }
  return bytes.subarray(0, end)
}

/**
 * Cuts an input into chunks of whole lines, of at most `chunkBytes`; a line that is longer is a chunk of its own. What a pipe has is
 * handed on without waiting for more. Arrays are used again once they are released: garbage of this size costs more than reading.
 */
export async function* lineChunks(reader: ByteReader, chunkBytes: number): AsyncGenerator<LineChunk> {
  const free: Uint8Array[] = []
  let buffer: Uint8Array = new Uint8Array(chunkBytes)
  let held = 0
  // Behind the last line that is whole.
  let end = 0
  let firstLine = 1
  const chunkOf = (taken: Uint8Array, end: number): LineChunk => {
    const bytes = taken.subarray(0, end)
    const chunk = { bytes, firstLine, lines: countLines(bytes) }
    firstLine += chunk.lines
    return {
      ...chunk,
      release: () => {
        if (taken.byteLength === chunkBytes) free.push(taken)
      },
    }
  }
  for (;;) {
    const read = await reader.read(buffer.subarray(held))
    if (read === 0) break
    // Only what is new is looked at: a line may be long, and come in little pieces.
    const lastBreak = buffer.subarray(held, held + read).lastIndexOf(LINE_FEED)
    if (lastBreak !== -1) end = held + lastBreak + 1
    held += read
    // A file fills the array at once; what a pipe gives may be little.
    if (end > 0 && (held === buffer.byteLength || read < READ_AT_LEAST_BYTES)) {
      const taken = buffer
      buffer = free.pop() ?? new Uint8Array(chunkBytes)
      if (buffer.byteLength <= held - end) buffer = new Uint8Array(2 * (held - end))
      buffer.set(taken.subarray(end, held))
      const whole = end
      held -= end
      end = 0
      yield chunkOf(taken, whole)
    } else if (held === buffer.byteLength) {
      const longer = new Uint8Array(2 * buffer.byteLength)
      longer.set(buffer)
      buffer = longer
    }
  }
  if (held > 0) yield chunkOf(buffer, held)
}

/** A read that gives less says that there is no more just now. */
const READ_AT_LEAST_BYTES = 4096
