import { setTimeout as sleep } from 'node:timers/promises'
import { free } from '../../batch/given-away.ts'
import type { RecordProducer } from '../../encode/record-batch.ts'
import { MillpondError } from '../../errors.ts'
import type { FailedMessage } from '../../sink/sink.ts'
import type { Parcel, ParcelEncoding } from './sink-parcel.ts'
import { encodeParcel, halveParcel, parcelCount, parcelPosition, withoutRows } from './sink-parcel.ts'
import { bytesOf, type ProduceAnswer, type ProduceBatch } from './sink-produce.ts'

/** What became of parcels that were appended to one partition. */
export interface Appended {
  readonly delivered: number
  readonly failed: readonly FailedMessage[]
  /** The offset behind the last message that was delivered; undefined where there is none, or the broker did not say. */
  readonly nextOffset: number | undefined
}

/** What a broker's answer means for the batch. */
export type Verdict =
  | { readonly kind: 'done'; readonly baseOffset: number }
  /** It may succeed later. */
  | { readonly kind: 'passing'; readonly error: MillpondError }
  /** A batch before it is missing. */
  | { readonly kind: 'order'; readonly error: MillpondError }
  | { readonly kind: 'too-large'; readonly reason: string }
  /** Rows that the broker does not take; none are named where it is up to us to find them. */
  | { readonly kind: 'rows'; readonly rows: ProduceAnswer['rows']; readonly reason: string }
  | { readonly kind: 'fatal'; readonly error: MillpondError }

/** What appending to a partition takes. */
export interface PartitionParts {
  readonly topic: string
  readonly partition: number
  readonly producer: Omit<RecordProducer, 'baseSequence'>
  readonly encoding: ParcelEncoding
  /** Bytes of a batch that the topic takes. */
  readonly maxBatchBytes: number
  /** For how long a batch is sent again that fails for a reason that passes. */
  readonly deliveryTimeoutMs: number
  /** Sends to the partition's leader; an answer that never came is `passing`. */
  readonly send: (batch: ProduceBatch) => Promise<Verdict>
  /** Told once when nothing more can be appended, by any partition of the producer: what was under way may or may not be there. */
  readonly onBroken: (error: unknown) => void
}

/** Told of messages that a partition took, and the offset of the first of them. */
export type OnTaken = (parcel: Parcel, baseOffset: number) => void

/** One partition as an idempotent producer sees it. */
export interface PartitionWriter {
  /**
   * Appends in order, behind all that was appended before. What the target refuses for its size or content is in `failed`. `onTaken` is told
   * of each parcel that was taken, whole or in pieces, and the offset of its first message, -1 where the broker did not say.
   * @throws what broke the producer; then what became of the parcels is not known.
   */
  append(parcels: readonly Parcel[], onTaken?: OnTaken): Promise<Appended>
  /** Ends what is under way with this error. */
  break(error: unknown): void
}

/** The most batches of a partition that a broker can tell from repeated ones. Source: KIP-98, `ProducerStateEntry`. */
const MAX_IN_FLIGHT = 5
const FIRST_DELAY_MS = 20
const MAX_DELAY_MS = 1000
/** Sequence numbers wrap behind this one. */
const SEQUENCES = 2 ** 31

interface Ticket {
  readonly settled: PromiseWithResolvers<Appended>
  readonly failed: FailedMessage[]
  readonly onTaken: OnTaken | undefined
  delivered: number
  /** Messages whose fate is open. */
  open: number
  nextOffset: number | undefined
}

interface Entry {
  readonly ticket: Ticket
  readonly parcel: Parcel
  sequence: number
  pieces: Promise<readonly Uint8Array[]> | undefined
  state: 'waiting' | 'flying'
  trouble: Exclude<Verdict, { kind: 'done' }> | undefined
  attempts: number
  deadlineMs: number
}

/**
 * Batches of one partition, up to five of them in flight. Each has the sequence number behind the one before it, so the broker takes each once
 * and none before another. Where one fails, those behind it are waited for, and all are sent again in their order.
 */
export function createPartitionWriter(parts: PartitionParts): PartitionWriter {
  const { topic, partition, producer, encoding, maxBatchBytes, deliveryTimeoutMs } = parts
  let entries: Entry[] = []
  let nextSequence = 0
  let flying = 0
  let isPumping = false
  let broken: { readonly error: Error } | undefined
  /** A broker that knows nothing of the producer takes any sequence number as the first, so the first batch goes alone. */
  let isKnown = false
  let changed = Promise.withResolvers<void>()

  const notify = () => changed.resolve()
  const fail = (cause: unknown) => {
    if (broken !== undefined) return
    const error = cause instanceof Error ? cause : new Error(String(cause))
    broken = { error }
    const tickets = new Set(entries.map(({ ticket }) => ticket))
    entries = []
    for (const { settled } of tickets) settled.reject(error)
    notify()
    parts.onBroken(error)
  }
  const settle = ({ ticket }: Entry, count: number) => {
    ticket.open -= count
    const { delivered, failed, nextOffset } = ticket
    if (ticket.open === 0) ticket.settled.resolve({ delivered, failed, nextOffset })
  }
  const refuse = (entry: Entry, row: number, reason: string) => {
    entry.ticket.failed.push({ position: parcelPosition(entry.parcel, row), reason })
    settle(entry, 1)
  }
  const entryOf = (ticket: Ticket, parcel: Parcel): Entry => {
    const sequence = nextSequence
    nextSequence = (sequence + parcelCount(parcel)) % SEQUENCES
    return {
      ticket,
      parcel,
      sequence,
      pieces: undefined,
      state: 'waiting',
      trouble: undefined,
      attempts: 0,
      deadlineMs: Infinity,
    }
  }
  const encode = (entry: Entry): Promise<readonly Uint8Array[]> => {
    if (entry.pieces === undefined) {
      entry.pieces = encodeParcel(entry.parcel, { ...producer, baseSequence: entry.sequence }, encoding)
      // Looked at when it is its turn; until then a failure is not unheard of.
      entry.pieces.catch(() => undefined)
    }
    return entry.pieces
  }
  const fly = async (entry: Entry, pieces: readonly Uint8Array[]) => {
    entry.state = 'flying'
    if (entry.deadlineMs === Infinity) entry.deadlineMs = performance.now() + deliveryTimeoutMs
    flying++
    const verdict = await parts.send({ topic, partition, pieces })
    flying--
    entry.state = 'waiting'
    if (verdict.kind === 'done') {
      isKnown = true
      const count = parcelCount(entry.parcel)
      entries = entries.filter((other) => other !== entry)
      // What was sent once lies in no queue any more when its answer is there.
      if (entry.attempts === 0) for (const piece of pieces) free(piece)
      entry.ticket.delivered += count
      entry.ticket.onTaken?.(entry.parcel, verdict.baseOffset)
      entry.ticket.nextOffset = verdict.baseOffset < 0 ? undefined : verdict.baseOffset + count
      if (broken === undefined) settle(entry, count)
    } else {
      entry.trouble = verdict
    }
    notify()
  }
  /** Puts other parcels in the place of one that was not taken; the broker counts on from the batch before it. */
  const replace = (entry: Entry, parcels: readonly Parcel[]) => {
    const at = entries.indexOf(entry)
    const behind = entries.slice(at + 1)
    nextSequence = entry.sequence
    entries.length = at
    for (const parcel of parcels) entries.push(entryOf(entry.ticket, parcel))
    for (const { ticket, parcel } of behind) entries.push(entryOf(ticket, parcel))
  }
  const recover = async (entry: Entry, trouble: NonNullable<Entry['trouble']>) => {
    for (const other of entries) other.trouble = undefined
    if (trouble.kind === 'fatal' || trouble.kind === 'order') return fail(trouble.error)
    if (trouble.kind === 'passing') {
      entry.attempts++
      if (performance.now() >= entry.deadlineMs) return fail(trouble.error)
      const longestMs = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** (entry.attempts - 1))
      await sleep(longestMs * (0.5 + Math.random() / 2))
      return
    }
    const count = parcelCount(entry.parcel)
    const behind = entries[entries.indexOf(entry) + 1]?.sequence ?? nextSequence
    // Nothing behind a batch that was refused can have been taken; else sequence numbers could not be given anew.
    if (behind !== (entry.sequence + count) % SEQUENCES) {
      return fail(new MillpondError('DELIVERY_FAILED', `${topic}/${partition}: ${trouble.reason}`))
    }
    const named = trouble.kind === 'rows' ? trouble.rows.filter(({ row }) => row >= 0 && row < count) : []
    if (count === 1 || named.length > 0) {
      const rows = new Map(count === 1 ? [[0, named[0]?.reason ?? null]] : named.map(({ row, reason }) => [row, reason]))
      const rest = await withoutRows(entry.parcel, new Set(rows.keys()))
      replace(entry, rest === undefined ? [] : [rest])
      for (const [row, reason] of rows) refuse(entry, row, reason ?? trouble.reason)
    } else {
      replace(entry, await halveParcel(entry.parcel))
    }
  }
  const step = async () => {
    changed = Promise.withResolvers<void>()
    const troubled = entries.find(({ trouble }) => trouble !== undefined)
    const window = isKnown ? MAX_IN_FLIGHT : 1
    const waiting = entries.findIndex(({ state }) => state === 'waiting')
    if (troubled !== undefined && flying === 0) {
      await recover(troubled, troubled.trouble!)
    } else if (troubled !== undefined || waiting < 0 || flying >= window) {
      await changed.promise
    } else {
      const entry = entries[waiting]!
      for (const next of entries.slice(waiting, waiting + window)) void encode(next)
      const pieces = await encode(entry)
      const bytes = bytesOf(pieces)
      if (bytes > maxBatchBytes) {
        entry.trouble = { kind: 'too-large', reason: tooLarge(bytes, maxBatchBytes) }
      } else if (broken === undefined && !entries.some(({ trouble }) => trouble !== undefined)) {
        fly(entry, pieces).catch(fail)
      }
    }
  }
  const pump = async () => {
    try {
      while (entries.length > 0) await step()
    } catch (error) {
      fail(error)
    } finally {
      isPumping = false
    }
  }
  return {
    append(parcels, onTaken) {
      if (broken !== undefined) return Promise.reject(broken.error)
      const open = parcels.reduce((sum, parcel) => sum + parcelCount(parcel), 0)
      const settled = Promise.withResolvers<Appended>()
      const ticket: Ticket = { settled, failed: [], onTaken, delivered: 0, open, nextOffset: undefined }
      if (open === 0) return Promise.resolve({ delivered: 0, failed: [], nextOffset: undefined })
      for (const parcel of parcels) entries.push(entryOf(ticket, parcel))
      notify()
      if (!isPumping) {
        isPumping = true
        void pump()
      }
      return ticket.settled.promise
    },
    break: fail,
  }
}

const tooLarge = (bytes: number, maxBytes: number): string =>
  `a batch of ${bytes} bytes is more than the ${maxBytes} that the topic takes (max.message.bytes)`
