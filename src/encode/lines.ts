import { MillpondError } from '../errors.ts'

/** Bytes that end at a line's end, and the number of their first line, from 1. */
export interface LineChunk {
  readonly bytes: Uint8Array
  readonly firstLine: number
}

interface SplitOptions {
  /** Bytes of a chunk; only a chunk of one longer line has more. */
  readonly chunkBytes: number
  /** The most bytes of a line that are gathered; lines that fit a chunk are not looked at. */
  readonly maxLineBytes: number
  /** How long whole lines may wait for more when the stream pauses, ms; 50 where it is left out. */
  readonly lingerMs?: number
}

const LINE_FEED = 10
const LINGER_MS = 50

/**
 * Gathers a stream of bytes into chunks of whole lines; only the stream's last line may lack its end. Each chunk has memory of its
 * own: what comes in is copied. Lines do not wait for a full chunk where the stream pauses, as a pipe does.
 * @throws MillpondError `MESSAGE_TOO_LARGE` for a line past `maxLineBytes` and `chunkBytes`; the lines before it have been given.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  options: SplitOptions,
): AsyncGenerator<LineChunk, void, undefined> {
  const gathered = new LineBuffer(options)
  const stream = chunks[Symbol.asyncIterator]()
  try {
    let next = stream.next()
    for (;;) {
      if (gathered.hasLines && !(await settlesWithin(next, options.lingerMs ?? LINGER_MS))) {
        yield gathered.takeLines()
        continue
      }
      const { value, done } = await next
      if (done === true) break
      for (let rest: Uint8Array = value; rest.byteLength > 0;) {
        rest = gathered.add(rest)
        if (gathered.isFull) yield gathered.takeLines()
      }
      next = stream.next()
    }
    if (gathered.isEmpty) return
    yield gathered.takeAll()
  } finally {
    // Not waited for: a stream that pauses would hold back who stops reading it.
    stream.return?.().catch(() => undefined)
  }
}

/** Whether the promise settles within so many ms. */
async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false)
  })
  const settled = promise.then(
    () => true,
    () => true,
  )
  try {
    return await Promise.race([settled, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What came in and was not given out. A class: it grows in place, once for every chunk of a stream. */
class LineBuffer {
  readonly #options: SplitOptions
  #bytes: Uint8Array
  #used = 0
  /** Behind the last line's end. */
  #lines = 0
  #firstLine = 1

  constructor(options: SplitOptions) {
    this.#options = options
    this.#bytes = new Uint8Array(options.chunkBytes)
  }

  get hasLines(): boolean {
    return this.#lines > 0
  }

  get isEmpty(): boolean {
    return this.#used === 0
  }

  /** Whether there are whole lines, and no room for more. */
  get isFull(): boolean {
    return this.hasLines && this.#used === this.#bytes.byteLength
  }

  /** Takes in what has room and gives the rest; makes room where a line is longer than what there is. */
  add(incoming: Uint8Array): Uint8Array {
    if (this.#used === this.#bytes.byteLength) this.#grow()
    const taken = incoming.subarray(0, this.#bytes.byteLength - this.#used)
    this.#bytes.set(taken, this.#used)
    const lastBreak = taken.lastIndexOf(LINE_FEED)
    if (lastBreak !== -1) this.#lines = this.#used + lastBreak + 1
    this.#used += taken.byteLength
    return incoming.subarray(taken.byteLength)
  }

  /** The whole lines. Few lines are copied out, many take the memory with them. */
  takeLines(): LineChunk {
    const end = this.#lines
    const few = end < this.#bytes.byteLength / 2
    const bytes = few ? this.#bytes.slice(0, end) : this.#bytes.subarray(0, end)
    const rest = this.#bytes.subarray(end, this.#used)
    if (!few) this.#bytes = new Uint8Array(Math.max(this.#options.chunkBytes, rest.byteLength))
    this.#bytes.set(rest)
    this.#used = rest.byteLength
    this.#lines = 0
    const firstLine = this.#firstLine
    this.#firstLine += countLines(bytes)
    return { bytes, firstLine }
  }

  /** What is left when the stream has ended. */
  takeAll(): LineChunk {
    return { bytes: this.#bytes.subarray(0, this.#used), firstLine: this.#firstLine }
  }

  #grow(): void {
    const { maxLineBytes } = this.#options
    const bytes = this.#bytes.byteLength
    if (bytes > maxLineBytes) {
      throw new MillpondError(
        'MESSAGE_TOO_LARGE',
        `line ${this.#firstLine} has more than the ${maxLineBytes} bytes that are allowed`,
        {
          details: { line: this.#firstLine, maxLineBytes },
        },
      )
    }
    // One byte more than the longest line: its end.
    const grown = new Uint8Array(Math.min(bytes * 2, maxLineBytes + 1))
    grown.set(this.#bytes)
    this.#bytes = grown
  }
}

function countLines(bytes: Uint8Array): number {
  // A Buffer looks for a byte several times as fast as a Uint8Array.
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let lines = 0
  for (let at = buffer.indexOf(LINE_FEED); at !== -1; at = buffer.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}
