const LINE_FEED = 10

/** Whole lines of a stream. */
export interface LineChunk {
  readonly bytes: Uint8Array
  /** Number of its first line, from 1. */
  readonly firstLine: number
  readonly lines: number
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

/** Cuts a stream into chunks of whole lines, of about `chunkBytes`; a line that is longer is a chunk of its own. Each has its own bytes. */
export async function* lineChunks(input: AsyncIterable<Uint8Array>, chunkBytes: number): AsyncGenerator<LineChunk> {
  let parts: Uint8Array[] = []
  let held = 0
  let firstLine = 1
  const chunk = (bytes: Uint8Array): LineChunk => {
    const made = { bytes, firstLine, lines: countLines(bytes) }
    firstLine += made.lines
    return made
  }
  for await (const part of input) {
    parts.push(part)
    held += part.byteLength
    if (held < chunkBytes || !part.includes(LINE_FEED)) continue
    const bytes = Buffer.concat(parts, held)
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    yield chunk(bytes.subarray(0, end))
    parts = [bytes.subarray(end)]
    held = bytes.byteLength - end
  }
  if (held > 0) yield chunk(Buffer.concat(parts, held))
}
