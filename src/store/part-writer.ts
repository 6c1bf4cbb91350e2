import { free, keepAll } from '../batch/given-away.ts'
import { MillpondError } from '../errors.ts'
import { crc32c, joinCrc32c } from '../kernel/checksum.ts'
import type { Limiter } from './limiter.ts'
import type { PartHolder, PartRoom } from './part-room.ts'
import type { ObjectWriter, PutOutcome } from './store.ts'

/** Bytes in several pieces, one after the other, as they were written: joining them would cost a copy. */
export interface Pieces {
  readonly pieces: readonly Uint8Array[]
  /** The length of all of them. */
  readonly bytes: number
  /** The CRC-32C of pieces whose writer knew it. */
  readonly crcs?: WeakMap<Uint8Array, number>
  /** How many bodies of requests were made of them; a store that counts them lets go of what arrived by the first. */
  bodies?: number
}

/** Counts a body that is made of the pieces. */
export function countBody(object: Pieces): void {
  object.bodies = (object.bodies ?? 0) + 1
}

/** Frees pieces that were given away, where no earlier request may still look at them. */
function freePieces({ pieces, bodies }: Pieces): void {
  if (bodies === 1) for (const piece of pieces) free(piece)
}

/** The CRC-32C of what lies in pieces, going on from `seed`. */
export function crc32cOfPieces({ pieces, crcs }: Pieces, seed = 0): number {
  return pieces.reduce((crc, piece) => {
    const known = crcs?.get(piece)
    return known === undefined ? crc32c(piece, crc) : joinCrc32c(crc, known, piece.length)
  }, seed)
}

/** The pieces as one; a copy where there are several. */
export function joinPieces({ pieces, bytes }: Pieces): Uint8Array {
  const [only] = pieces
  return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, bytes)
}

/** An object that is on its way in parts. Nothing of it is seen before `finish`. */
export interface PartUpload {
  /** Takes a part; called in the order of the object's bytes, perhaps while earlier parts are on the way. Repeats what fails and passes. */
  send(part: Pieces): Promise<void>
  /** Takes the last part and makes the object; called when all others have arrived. */
  finish(last: Pieces): Promise<PutOutcome>
  /** Takes back what was sent, as far as the store can. */
  abandon(): Promise<void>
}

export interface PartWriterOptions {
  /** The length of each part but the last. An object of one part goes by `putWhole`, as does a larger one for which there is room. */
  readonly partBytes: number
  /** What writers that share it hold back together; without it a writer holds no more than a part. */
  readonly room?: PartRoom
  /**
   * Each part on its way takes one; writers that share them share the bound. A writer that sends holds one part more at the most, and what
   * it is being given.
   */
  readonly turns: Limiter
  readonly putWhole: (object: Pieces, signal: AbortSignal) => Promise<PutOutcome>
  readonly openUpload: (signal: AbortSignal) => Promise<PartUpload>
  /** Called once, when nothing is on the way any more. */
  readonly onClosed?: () => void
  readonly signal?: AbortSignal | undefined
}

/** Bytes that were written and wait to be sent. */
interface Waiting {
  pieces: Uint8Array[]
  bytes: number
  readonly crcs: WeakMap<Uint8Array, number>
}

/** Takes `count` bytes from the front; a piece that reaches further is cut. */
function take(waiting: Waiting, count: number): Pieces {
  const pieces: Uint8Array[] = []
  let missing = count
  let whole = 0
  for (const piece of waiting.pieces) {
    if (missing === 0) break
    if (piece.length > missing) {
      // Two parts share its memory then.
      keepAll(piece)
      pieces.push(piece.subarray(0, missing))
      waiting.pieces[whole] = piece.subarray(missing)
      break
    }
    pieces.push(piece)
    whole++
    missing -= piece.length
  }
  waiting.pieces.splice(0, whole)
  waiting.bytes -= count
  return { pieces, bytes: count, crcs: waiting.crcs }
}

/**
 * A writer of a store that takes large objects in parts: holds what is less than a part, and more as long as there is room, and sends several
 * parts side by side.
 */
export function createPartWriter(options: PartWriterOptions): ObjectWriter {
  const { partBytes, room, turns, signal } = options
  const waiting: Waiting = { pieces: [], bytes: 0, crcs: new WeakMap() }
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()
  let countedBytes = 0
  let upload: PartUpload | undefined
  let failure: { readonly error: unknown } | undefined
  let sending: Promise<void> | undefined
  let finished: Promise<PutOutcome> | undefined
  let discarded: Promise<void> | undefined

  const fail = (error: unknown): void => {
    failure ??= { error }
    waiting.pieces.length = 0
    waiting.bytes = 0
    stopping.abort(failure.error)
  }
  const onAbort = (): void => fail(signal?.reason)
  const close = (): void => {
    signal?.removeEventListener('abort', onAbort)
    room?.withdraw(holder)
    count(0)
    options.onClosed?.()
  }
  signal?.addEventListener('abort', onAbort, { once: true })

  /** Tells the room what is held; parts on their way are bounded by their turns. */
  const count = (bytes: number): void => {
    room?.hold(bytes - countedBytes)
    countedBytes = bytes
  }
  const launch = (upload: PartUpload, part: Pieces, endTurn: () => void): void => {
    count(waiting.bytes)
    const sent = upload.send(part).then(() => freePieces(part), fail)
    inFlight.add(sent)
    void sent.finally(() => {
      inFlight.delete(sent)
      endTurn()
    })
  }
  /** Sends parts until less than one waits; there is always something left for the end. */
  const sendParts = async (): Promise<void> => {
    try {
      while (waiting.bytes > partBytes) {
        upload ??= await options.openUpload(stopping.signal)
        const endTurn = await turns.take(stopping.signal)
        if (waiting.bytes > partBytes) launch(upload, take(waiting, partBytes), endTurn)
        else endTurn()
      }
    } catch (error) {
      fail(error)
    } finally {
      sending = undefined
    }
  }
  let isSending = room === undefined
  const holder: PartHolder = {
    get sendableBytes() {
      return waiting.bytes
    },
    send() {
      isSending = true
      sending ??= sendParts()
    },
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
    room?.withdraw(holder)
    try {
      await settle()
      check()
      const last = take(waiting, waiting.bytes)
      const outcome = await (upload === undefined ? options.putWhole(last, stopping.signal) : upload.finish(last))
      if (outcome === 'created') freePieces(last)
      close()
      return outcome
    } catch (error) {
      fail(error)
      await discard()
      throw failure?.error
    }
  }

  return {
    get heldBytes() {
      return waiting.bytes
    },
    async write(bytes, crc32c) {
      if (finished !== undefined) throw new MillpondError('INTERNAL', 'a write after the writer was finished')
      check()
      if (bytes.length > 0) waiting.pieces.push(bytes)
      if (crc32c !== undefined) waiting.crcs.set(bytes, crc32c)
      waiting.bytes += bytes.length
      if (waiting.bytes > partBytes) {
        if (isSending) sending ??= sendParts()
        else room?.offer(holder)
      }
      count(waiting.bytes)
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
