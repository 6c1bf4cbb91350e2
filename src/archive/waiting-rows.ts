import type { MessageBatch } from '../batch/batch.ts'
import { readRecords } from '../encode/avro-block.ts'
import { Growing } from '../encode/growing.ts'
import { writeRecords } from '../encode/message-records.ts'
import type { Spill, SpilledBytes } from '../store/spill.ts'

/** Messages of one object that wait to be encoded, in order: first those on disk, then those in memory. */
export interface RowQueue {
  count: number
  /** Length of their records. */
  bytes: number
  /** Length of those in memory. */
  memoryBytes: number
  /** Numbers of the first and last row in memory; -1 where there is none. */
  first: number
  last: number
  readonly spilled: SpilledRows[]
}

/** Rows of one object that lie on disk, side by side. */
interface SpilledRows {
  readonly chunk: Chunk
  readonly offset: number
  readonly bytes: number
}

/** Rows of some objects that were written to disk together. */
interface Chunk {
  readonly spilled: Promise<SpilledBytes>
  /** How many objects have rows in it. */
  wanted: number
  /** All of it, while objects are read that follow one another in it, and the buffer that this is in. */
  whole: { readonly bytes: Promise<Uint8Array>; readonly buffer: Uint8Array } | undefined
}

/** Nothing waits. */
export const openQueue = (): RowQueue => ({ count: 0, bytes: 0, memoryBytes: 0, first: -1, last: -1, spilled: [] })

/**
 * Messages that are too few to be worth a block of their object. They wait as records in memory, in the order they came in, and those of each object are a
 * chain of numbers, so that thousands of objects that get a message now and then cost their messages and little beside; what is too much for memory
 * waits on disk, side by side with what is of the same object.
 */
export interface WaitingRows {
  /** Memory that records take, be they wanted or not; it is all free once none of them is wanted. */
  readonly bytes: number
  /** Of it, what is wanted. */
  readonly wantedBytes: number
  /** Takes the messages in; gives the number of the first, the others follow. Each is to be put into a queue. */
  load(batch: MessageBatch): number
  /** Puts a row at the end of the queue. */
  put(queue: RowQueue, row: number): void
  /**
   * Takes all messages out of the queue and hands them to `use`, which may keep them; for none it is not called. Who takes from
   * all queues in the order in which they were spilled says so: what they share on disk is read once.
   */
  take(queue: RowQueue, isSweep: boolean, use: (batch: MessageBatch) => void): Promise<void>
  /** Moves what is in memory of all these, which are all that have something there, to disk. */
  spill(disk: Spill, queues: Iterable<RowQueue>): Promise<void>
  /** Gives back the memory of what is not wanted any more; these are all that have something in memory. */
  compact(queues: readonly RowQueue[]): void
  /** Gives the memory back; nothing may be wanted any more. */
  clear(): void
}

/** Length of a chunk: few enough that one for each time that memory was full can be in memory, enough for one call of the system. */
const CHUNK_BYTES = 256 * 1024

const NO_BYTES = new Uint8Array(0)

/** No rows wait; told of memory that rows take more (or less) than before, bytes. */
export function createWaitingRows(onHeld: (change: number) => void): WaitingRows {
  const records = new Growing(NO_BYTES)
  let ends = new Int32Array(0)
  let next = new Int32Array(0)
  /** For chunks that are read whole. */
  const chunkBuffers: Uint8Array[] = []
  let rows = 0
  let wanted = 0
  let wantedBytes = 0

  const clear = () => {
    onHeld(-records.used)
    records.used = 0
    rows = 0
    wanted = 0
    wantedBytes = 0
  }
  const startOf = (row: number) => (row === 0 ? 0 : ends[row - 1]!)
  /** Copies the rows in memory to `target` from `at` on, and empties that part of the queue. */
  const moveOut = (queue: RowQueue, target: Uint8Array, at: number): void => {
    for (let row = queue.first; row !== -1; row = next[row]!) {
      const start = startOf(row)
      const end = ends[row]!
      target.set(records.bytes.subarray(start, end), at)
      at += end - start
      wanted--
    }
    wantedBytes -= queue.memoryBytes
    queue.first = -1
    queue.last = -1
    queue.memoryBytes = 0
    if (wanted === 0) clear()
  }
  /** Moves the rows that are marked to the beginning, in their order; gives the new number of each. */
  const moveUp = (isWanted: Uint8Array): Int32Array => {
    const numbers = new Int32Array(rows).fill(-1)
    const used = records.used
    let kept = 0
    records.used = 0
    for (let row = 0, start = 0; row < rows; row++) {
      const end = ends[row]!
      if (isWanted[row] === 1) {
        records.bytes.copyWithin(records.used, start, end)
        records.used += end - start
        numbers[row] = kept
        ends[kept++] = records.used
      }
      start = end
    }
    rows = kept
    onHeld(records.used - used)
    return numbers
  }

  return {
    get bytes() {
      return records.used
    },
    get wantedBytes() {
      return wantedBytes
    },
    load(batch) {
      const first = rows
      if (rows + batch.count > ends.length) {
        const length = Math.max(rows + batch.count, 2 * ends.length)
        ends = grown(ends, length)
        next = grown(next, length)
      }
      writeRecords(batch, (bytes, itsEnds) => {
        const start = records.used
        records.push(bytes)
        for (const end of itsEnds) ends[rows++] = start + end
        wantedBytes += bytes.byteLength
        onHeld(bytes.byteLength)
      })
      wanted += batch.count
      return first
    },
    put(queue, row) {
      const bytes = ends[row]! - startOf(row)
      next[row] = -1
      if (queue.last === -1) queue.first = row
      else next[queue.last] = row
      queue.last = row
      queue.count++
      queue.bytes += bytes
      queue.memoryBytes += bytes
    },
    async take(queue, isSweep, use) {
      const { count, bytes, memoryBytes } = queue
      if (count === 0) return
      const raw = new Uint8Array(bytes)
      moveOut(queue, raw, bytes - memoryBytes)
      const parts = queue.spilled.splice(0)
      queue.count = 0
      queue.bytes = 0
      let at = 0
      for (const part of parts) {
        await readPart(part, raw.subarray(at, at + part.bytes), isSweep ? chunkBuffers : undefined)
        at += part.bytes
      }
      use(readRecords(raw, count))
    },
    async spill(disk, queues) {
      const writer = createChunkWriter(disk)
      for (const queue of queues) {
        const { memoryBytes } = queue
        if (memoryBytes === 0) continue
        const { bytes, chunk, offset } = writer.place(memoryBytes)
        moveOut(queue, bytes, offset)
        queue.spilled.push({ chunk, offset, bytes: memoryBytes })
        if (writer.isFull) await writer.end()
      }
      await writer.end()
    },
    compact(queues) {
      const isWanted = new Uint8Array(rows)
      for (const { first } of queues) for (let row = first; row !== -1; row = next[row]!) isWanted[row] = 1
      const count = rows
      const numbers = moveUp(isWanted)
      // A row follows rows before it, and none moves down.
      for (let row = 0; row < count; row++)
        if (isWanted[row] === 1) next[numbers[row]!] = next[row] === -1 ? -1 : numbers[next[row]!]!
      for (const queue of queues) {
        if (queue.first === -1) continue
        queue.first = numbers[queue.first]!
        queue.last = numbers[queue.last]!
      }
    },
    clear() {
      clear()
      records.bytes = NO_BYTES
      chunkBuffers.length = 0
      ends = new Int32Array(0)
      next = new Int32Array(0)
    },
  }
}

function grown(numbers: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(length)
  longer.set(numbers)
  return longer
}

/** Gathers rows of several objects into chunks. */
function createChunkWriter(disk: Spill) {
  const gathered = new Growing(new Uint8Array(CHUNK_BYTES))
  let chunk: Chunk | undefined
  let written = Promise.withResolvers<SpilledBytes>()
  return {
    get isFull() {
      return gathered.used >= CHUNK_BYTES
    },
    /** Room for so many bytes, at `offset` of `bytes`. */
    place(length: number) {
      if (chunk === undefined) {
        written = Promise.withResolvers()
        // Told to whoever awaits the end of the chunk.
        written.promise.catch(() => undefined)
        chunk = { spilled: written.promise, wanted: 0, whole: undefined }
      }
      chunk.wanted++
      const offset = gathered.extend(length)
      return { bytes: gathered.bytes, offset, chunk }
    },
    async end() {
      if (chunk === undefined) return
      chunk = undefined
      try {
        written.resolve(await disk.write(gathered.filled))
      } catch (error) {
        written.reject(error)
        throw error
      }
      gathered.used = 0
    },
  }
}

/** Fills the target with the rows; by a buffer all that lies beside them is read too, and kept until nothing of it is wanted. */
async function readPart({ chunk, offset }: SpilledRows, target: Uint8Array, buffers: Uint8Array[] | undefined): Promise<void> {
  const spilled = await chunk.spilled
  if (buffers !== undefined) chunk.whole ??= readWhole(spilled, buffers)
  if (chunk.whole === undefined) await spilled.readInto(target, offset)
  else target.set((await chunk.whole.bytes).subarray(offset, offset + target.byteLength))
  chunk.wanted--
  if (chunk.wanted > 0) return
  if (chunk.whole !== undefined) buffers?.push(chunk.whole.buffer)
  chunk.whole = undefined
  spilled.free()
}

function readWhole(spilled: SpilledBytes, buffers: Uint8Array[]): NonNullable<Chunk['whole']> {
  const last = buffers.pop()
  const buffer =
    last !== undefined && last.byteLength >= spilled.bytes ? last : new Uint8Array(Math.max(2 * CHUNK_BYTES, spilled.bytes))
  const bytes = buffer.subarray(0, spilled.bytes)
  return { buffer, bytes: spilled.readInto(bytes, 0).then(() => bytes) }
}
