import { MillpondError } from '../errors.ts'
import type { ObjectWriter, PutOutcome } from './store.ts'

/** An object that is on its way in parts. Nothing of it is seen before `finish`. */
export interface PartUpload {
  /** Takes a part; called in the order of the object's bytes, perhaps while earlier parts are on the way. Repeats what fails and passes. */
  send(part: Uint8Array): Promise<void>
  /** Takes the last part and makes the object; called when all others have arrived. */
  finish(last: Uint8Array): Promise<PutOutcome>
  /** Takes back what was sent, as far as the store can. */
  abandon(): Promise<void>
}

export interface PartWriterOptions {
  /** The length of each part but the last. An object of one part goes by `putWhole`. */
  readonly partBytes: number
  /** Parts on the way at once; the writer holds one more at the most, and what it is being given. */
  readonly maxPartsInFlight: number
  readonly putWhole: (bytes: Uint8Array, signal: AbortSignal) => Promise<PutOutcome>
  readonly openUpload: (signal: AbortSignal) => Promise<PartUpload>
  /** Called once, when nothing is on the way any more. */
  readonly onClosed?: () => void
  readonly signal?: AbortSignal | undefined
}

/** Bytes that were written and wait to be sent. */
interface Waiting {
  chunks: Uint8Array[]
  bytes: number
}

/** Takes `count` bytes from the front, without a copy where one chunk has them all. */
function take(waiting: Waiting, count: number): Uint8Array {
  const taken: Uint8Array[] = []
  let missing = count
  let whole = 0
  for (const chunk of waiting.chunks) {
    if (missing === 0) break
    taken.push(chunk.subarray(0, missing))
    if (chunk.length > missing) {
      waiting.chunks[whole] = chunk.subarray(missing)
      missing = 0
      break
    }
    whole++
    missing -= chunk.length
  }
  waiting.chunks.splice(0, whole)
  waiting.bytes -= count
  const [only] = taken
  return taken.length === 1 && only !== undefined ? only : Buffer.concat(taken, count)
}

/** A writer of a store that takes large objects in parts: holds what is less than a part, and sends several parts side by side. */
export function createPartWriter(options: PartWriterOptions): ObjectWriter {
  const { partBytes, maxPartsInFlight, signal } = options
  const waiting: Waiting = { chunks: [], bytes: 0 }
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()
  let upload: PartUpload | undefined
  let failure: { readonly error: unknown } | undefined
  let sending: Promise<void> | undefined
  let finished: Promise<PutOutcome> | undefined
  let discarded: Promise<void> | undefined

  const fail = (error: unknown): void => {
    failure ??= { error }
    waiting.chunks.length = 0
    waiting.bytes = 0
    stopping.abort(failure.error)
  }
  const onAbort = (): void => fail(signal?.reason)
  const close = (): void => {
    signal?.removeEventListener('abort', onAbort)
    options.onClosed?.()
  }
  signal?.addEventListener('abort', onAbort, { once: true })

  const launch = (upload: PartUpload, part: Uint8Array): void => {
    const sent = upload.send(part).catch(fail)
    inFlight.add(sent)
    void sent.finally(() => inFlight.delete(sent))
  }
  /** Sends parts until less than one waits; there is always something left for the end. */
  const sendParts = async (): Promise<void> => {
    try {
      while (waiting.bytes > partBytes) {
        upload ??= await options.openUpload(stopping.signal)
        while (inFlight.size >= maxPartsInFlight) await Promise.race(inFlight)
        if (failure === undefined) launch(upload, take(waiting, partBytes))
      }
    } catch (error) {
      fail(error)
    } finally {
      sending = undefined
    }
  }
  const check = (): void => {
    if (failure !== undefined) throw failure.error
  }
  const settle = async (): Promise<void> => {
    await sending
    await Promise.all(inFlight)
  }
  const discard = (): Promise<void> => {
    discarded ??= settle()
      .then(() => upload?.abandon())
      // What is left behind is not seen, and its store drops it in time.
      .catch(() => undefined)
      .finally(close)
    return discarded
  }
  const finish = async (): Promise<PutOutcome> => {
    try {
      await settle()
      check()
      const last = take(waiting, waiting.bytes)
      const outcome = await (upload === undefined ? options.putWhole(last, stopping.signal) : upload.finish(last))
      close()
      return outcome
    } catch (error) {
      fail(error)
      await discard()
      throw failure?.error
    }
  }

  return {
    async write(bytes) {
      if (finished !== undefined) throw new MillpondError('INTERNAL', 'a write after the writer was finished')
      check()
      if (bytes.length > 0) waiting.chunks.push(bytes)
      waiting.bytes += bytes.length
      if (waiting.bytes > partBytes) sending ??= sendParts()
      await sending
      check()
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
      fail(new MillpondError('STOPPED', 'the writer was aborted'))
      await discard()
    },
  }
}
