import { MillpondError } from '../../errors.ts'
import type { ObjectWriter, PutOutcome } from '../../store/store.ts'
import { discardTempFile, writeChunks } from './temp-files.ts'
import type { TempFile } from './temp-files.ts'

/** Bytes that may wait for the disk before `write` waits too. */
const MAX_QUEUED_BYTES = 1024 * 1024
/** Bytes that are made durable while more come: otherwise all of a large object would wait for the disk at its end. */
const FLUSH_BYTES = 16 * 1024 * 1024
/** Chunks that one system call takes (IOV_MAX of Linux is 1,024). */
const MAX_CHUNKS = 512

export interface ObjectWriterParts {
  readonly temp: TempFile
  /** Makes the complete file durable under its key. */
  readonly publish: (temp: TempFile) => Promise<PutOutcome>
  /** The error as the store tells it. */
  readonly explain: (error: unknown) => unknown
  /** Called once, when the temporary file is closed and gone. */
  readonly onClosed: () => void
  readonly signal?: AbortSignal | undefined
}

/** Bytes on their way into a file, in order, written in the background as few large writes. */
interface WriteQueue {
  /** Takes the bytes over and resolves when more may come. */
  push(bytes: Uint8Array): Promise<void>
  /** Resolves when nothing is being written any more. */
  drain(): Promise<void>
  /** Drops what is not yet being written. */
  clear(): void
}

function createWriteQueue(write: (chunks: readonly Uint8Array[]) => Promise<void>): WriteQueue {
  const state: { chunks: Uint8Array[]; bytes: number; step?: Promise<void> | undefined } = { chunks: [], bytes: 0 }
  const next = async (): Promise<void> => {
    const taken = state.chunks.splice(0, MAX_CHUNKS)
    await write(taken)
    for (const chunk of taken) state.bytes -= chunk.length
    state.step = state.chunks.length > 0 ? next() : undefined
  }
  return {
    async push(bytes) {
      state.chunks.push(bytes)
      state.bytes += bytes.length
      state.step ??= next()
      while (state.bytes > MAX_QUEUED_BYTES && state.step !== undefined) await state.step
    },
    async drain() {
      while (state.step !== undefined) await state.step
    },
    clear() {
      for (const chunk of state.chunks.splice(0)) state.bytes -= chunk.length
    },
  }
}

/** A writer into a temporary file that becomes the object when it is finished. */
export function createObjectWriter(parts: ObjectWriterParts): ObjectWriter {
  const { temp, signal } = parts
  let failure: { readonly error: unknown } | undefined
  let finished: Promise<PutOutcome> | undefined
  let discarded: Promise<void> | undefined

  const discard = (): Promise<void> => {
    discarded ??= discardTempFile(temp).finally(() => parts.onClosed())
    return discarded
  }
  const fail = async (error: unknown): Promise<void> => {
    failure ??= { error }
    queue.clear()
    // At once, not when the caller comes around to `abort`: on a full disk the space is needed.
    await discard()
  }
  let unflushedBytes = 0
  let flushing: Promise<void> | undefined
  const flush = async (): Promise<void> => {
    unflushedBytes = 0
    try {
      await temp.file.datasync()
    } catch (error) {
      // The system tells of a lost write once only: the `sync` at the end would no longer know.
      await fail(parts.explain(error))
    }
    flushing = undefined
  }
  const queue = createWriteQueue(async (chunks) => {
    if (failure !== undefined) return
    try {
      await writeChunks(temp.file, chunks)
    } catch (error) {
      await fail(parts.explain(error))
      return
    }
    for (const chunk of chunks) unflushedBytes += chunk.length
    if (unflushedBytes >= FLUSH_BYTES) flushing ??= flush()
  })
  const check = async (): Promise<void> => {
    if (signal?.aborted === true) await fail(signal.reason)
    if (failure !== undefined) throw failure.error
  }
  const finish = async (): Promise<PutOutcome> => {
    try {
      await queue.drain()
      await flushing
      await check()
      return await parts.publish(temp)
    } finally {
      await discard()
    }
  }

  return {
    heldBytes: 0,
    async write(bytes) {
      if (finished !== undefined) throw new MillpondError('INTERNAL', 'a write after the writer was finished')
      await check()
      await queue.push(bytes)
      await check()
    },
    finish() {
      finished ??= finish()
      return finished
    },
    async abort() {
      if (finished !== undefined) {
        await finished.catch(() => undefined)
        return
      }
      failure ??= { error: new MillpondError('STOPPED', 'the writer was aborted') }
      queue.clear()
      await queue.drain()
      await flushing
      await discard()
    },
  }
}
