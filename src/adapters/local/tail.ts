import { setTimeout as wait } from 'node:timers/promises'
import { type MessageBatch, sliceBatch } from '../../batch/batch.ts'
import { decodeBlock } from '../../encode/avro-block.ts'
import type { AvroBlock } from '../../encode/block.ts'
import { createBlockEncoder, createBufferPool, DEFAULT_BLOCK_BYTES } from '../../encode/block-encoder.ts'
import { MillpondError } from '../../errors.ts'
import { type LaneId, laneName } from '../../source/lane.ts'
import type { BlockRequest } from '../../source/source.ts'
import type { LocalLog } from './log.ts'
import { WHOLE_BLOCK_BYTES } from './plan.ts'
import { type BlockRow, blockOf } from './rows.ts'

/** Compressed bytes that are read at once, and held by each lane while the next are read: some blocks. */
const READ_BYTES = 512 * 1024
/** Blocks of one lane that are compressed ahead of the reader. */
const MAX_AHEAD = 3
/** A portion of fewer bytes at the end of a lane is a trickle. */
const TRICKLE_BYTES = READ_BYTES / 4
/** Where the small rows of all lanes are gathered. */
const pool = createBufferPool(DEFAULT_BLOCK_BYTES, 8)

/** A partition to be read from a position on. */
export interface Tail {
  readonly log: LocalLog
  readonly lane: LaneId
  readonly partitionKey: number
  readonly position: number
  readonly signal: AbortSignal
}

/** Rows of a partition, in order. */
interface Portion {
  readonly rows: readonly BlockRow[]
  /** There was no more just now. */
  readonly isLast: boolean
}

/**
 * What a partition holds from the position on, in portions; waits for more at its end. What trickles in is read once in `trickleMs`,
 * so that many small appends cost one read.
 */
async function* portions({ log, lane, partitionKey, position, signal }: Tail, trickleMs: number): AsyncGenerator<Portion> {
  const { reader, changes } = log.parts
  let next = position
  let readMs = -Infinity
  let isTrickle = false
  while (!signal.aborted) {
    const pauseMs = isTrickle ? readMs + trickleMs - performance.now() : 0
    if (pauseMs > 0) await wait(pauseMs, undefined, { signal }).catch(() => undefined)
    const read = reader.read(partitionKey, next, READ_BYTES)
    if (read === undefined) {
      // The topic was deleted: the lane is revoked within moments.
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      return
    }
    if (next < read.oldest) {
      const message = `${laneName(lane)} no longer has position ${next}; its oldest is ${read.oldest}`
      throw new MillpondError('POSITION_GONE', message, { details: { position: next, oldest: read.oldest } })
    }
    if (next > read.next) {
      const message = `${laneName(lane)} has given positions up to ${read.next} only: ${next} is from another log`
      throw new MillpondError('POSITION_INVALID', message, { details: { position: next, next: read.next } })
    }
    const last = read.rows.at(-1)
    if (last === undefined) {
      await changes.rows(partitionKey, signal)
      continue
    }
    next = last.firstPosition + last.count
    const isLast = next === read.next
    readMs = performance.now()
    isTrickle = isLast && read.rows.reduce((sum, { bytes }) => sum + bytes.byteLength, 0) < TRICKLE_BYTES
    yield { rows: read.rows, isLast }
  }
}

async function decodeFrom(row: BlockRow, position: number): Promise<MessageBatch> {
  const batch = await decodeBlock({ codec: row.codec, bytes: row.bytes, count: row.count, maxRawBytes: row.rawBytes })
  return position <= row.firstPosition ? batch : sliceBatch(batch, position - row.firstPosition, batch.count)
}

/** The partition's messages, a batch for each row. The next one is decoded while one is worked on. */
export async function* tailBatches(tail: Tail): AsyncGenerator<MessageBatch> {
  for await (const { rows } of portions(tail, 0)) {
    let ahead = decodeFrom(rows[0]!, tail.position)
    for (let i = 1; i <= rows.length; i++) {
      const batch = await ahead
      if (tail.signal.aborted) return
      if (i < rows.length) {
        ahead = decodeFrom(rows[i]!, tail.position)
        ahead.catch(() => undefined)
      }
      yield batch
    }
  }
}

/** Which rows go to the archive as they are. */
function isWhole(row: BlockRow, block: AvroBlock, request: BlockRequest): boolean {
  return (
    row.codec === request.codec &&
    row.rawBytes >= WHOLE_BLOCK_BYTES &&
    block.filters.length === request.lookups.length &&
    block.filters.every(({ field }, i) => field === request.lookups[i])
  )
}

/** Messages that trickle in are read in so many steps for each of their blocks. */
const TRICKLE_SHARE = 1 / 4

/** Small rows that are not compressed, put together: records that follow one another are again the records of one block. */
function joinPlain(rows: readonly BlockRow[]): BlockRow[] {
  const joined: BlockRow[] = []
  for (let from = 0; from < rows.length;) {
    let to = from
    for (let bytes = 0; to < rows.length && isPlain(rows[to]!) && bytes < WHOLE_BLOCK_BYTES; to++) bytes += rows[to]!.rawBytes
    if (to - from > 1) joined.push(joinRows(rows.slice(from, to)))
    else joined.push(rows[from]!)
    from = Math.max(to, from + 1)
  }
  return joined
}

const isPlain = ({ codec, rawBytes }: BlockRow): boolean => codec === 'null' && rawBytes < WHOLE_BLOCK_BYTES

const joinRows = (rows: readonly BlockRow[]): BlockRow => ({
  ...rows[0]!,
  count: rows.reduce((sum, { count }) => sum + count, 0),
  rawBytes: rows.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
  minTimestamp: Math.min(...rows.map(({ minTimestamp }) => minTimestamp)),
  maxTimestamp: Math.max(...rows.map(({ maxTimestamp }) => maxTimestamp)),
  bytes: Buffer.concat(rows.map(({ bytes }) => bytes)),
})

/**
 * The partition's messages as blocks. Rows that are large enough and encoded as asked for are handed over as they are, others are
 * gathered into blocks. What there is, is handed over without waiting for more; but a lane to which messages come one by one
 * gives at most one small block in `smallBlockMs`, for each one burdens the archive's index.
 */
export async function* tailBlocks(tail: Tail, request: BlockRequest, smallBlockMs: number): AsyncGenerator<AvroBlock> {
  const { signal, position } = tail
  const encoder = createBlockEncoder({ codec: request.codec, lookups: request.lookups, pool })
  const ready: Promise<AvroBlock>[] = []
  let lastSmallMs = -Infinity
  const push = (block: Promise<AvroBlock> | undefined) => {
    if (block === undefined) return
    // Looked at when its turn comes; until then a failure must not count as unhandled.
    block.catch(() => undefined)
    ready.push(block)
  }
  const take = async (row: BlockRow) => {
    const block = blockOf(row)
    if (row.firstPosition >= position && isWhole(row, block, request)) {
      push(encoder.flush())
      push(Promise.resolve(block))
    } else {
      for (const encoded of encoder.add(await decodeFrom(row, position))) push(encoded)
    }
  }
  const source = portions(tail, smallBlockMs * TRICKLE_SHARE)
  let coming = source.next()
  try {
    for (;;) {
      const dueMs = lastSmallMs + smallBlockMs
      const portion = encoder.pendingCount > 0 ? await orUntil(coming, dueMs) : await coming
      if (portion !== 'due' && portion.done === true) break
      for (const row of portion === 'due' ? [] : joinPlain(portion.value.rows)) {
        await take(row)
        while (ready.length > MAX_AHEAD) yield await ready.shift()!
      }
      if (portion !== 'due') coming = source.next()
      const isEnd = portion === 'due' || portion.value.isLast
      if (isEnd && encoder.pendingCount > 0 && performance.now() >= dueMs) {
        push(encoder.flush())
        lastSmallMs = performance.now()
      }
      if (isEnd) for (const block of ready.splice(0)) yield await block
      if (signal.aborted) break
    }
  } finally {
    coming.catch(() => undefined)
    void source.return(undefined)
  }
}

/** What the promise gives, or `due` at the time of the monotonic clock, ms. */
async function orUntil<T>(promise: Promise<T>, dueMs: number): Promise<T | 'due'> {
  const timeout = Promise.withResolvers<'due'>()
  const timer = setTimeout(() => timeout.resolve('due'), Math.max(0, dueMs - performance.now()))
  const first = await Promise.race([promise, timeout.promise])
  clearTimeout(timer)
  return first
}
