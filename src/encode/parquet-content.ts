import { createHash } from 'node:crypto'
import type { MessageBatch } from '../batch/batch.ts'
import type { ParquetBlock } from './block.ts'
import type { BlockEncoder } from './block-encoder.ts'
import { pageCodec } from './parquet-page.ts'
import type { EncoderOptions } from './segment-format.ts'

/** What messages come to: the same for the same ones, wherever row groups are cut. */
export interface Content {
  add(batch: MessageBatch): void
  /** SHA-256 of all that were added so far. */
  digest(): Uint8Array
}

/** Where bytes are gathered, for each call of a hash costs as much as hashing a kilobyte; larger ones are hashed where they are. */
const scratch = Buffer.alloc(64 * 1024)
const LARGE_BYTES = 8 * 1024
const LENGTH_BYTES = 4
const ROW_BYTES = 2 * 8 + LENGTH_BYTES
const NOTHING = 0xffff_ffff

/** The content of an object that keeps all that messages have. */
export const messageContent = (): Content => contentOf('', spansOfMessage)

/** The content of an object of values of one schema, and of what stands beside them. Position and time are a part of it, for the commit tells them of each object. */
export function valueContent({ kind, formatOptions }: Pick<EncoderOptions, 'kind' | 'formatOptions'>): Content {
  const extras = formatOptions?.extraColumns ?? []
  const { type, name, text } = kind ?? { type: 'none', name: undefined, text: '' }
  const visit = extras.some((extra) => extra === 'key' || extra === 'headers' || extra === 'id') ? spansOfMessage : spansOfValue
  return contentOf(JSON.stringify([type, name ?? '', text, extras]), visit)
}

/** The content of an object that holds the keys or the headers of messages. */
export const siblingContent = (role: 'keys' | 'headers'): Content =>
  contentOf(role, role === 'headers' ? spansOfHeaders : (batch, row, put) => put(batch.keyStart[row]!, batch.keyEnd[row]!))

type PutSpan = (start: number, end: number) => void

const spansOfValue = (batch: MessageBatch, row: number, put: PutSpan): void => put(batch.valueStart[row]!, batch.valueEnd[row]!)

function spansOfMessage(batch: MessageBatch, row: number, put: PutSpan): void {
  put(batch.keyStart[row]!, batch.keyEnd[row]!)
  put(batch.valueStart[row]!, batch.valueEnd[row]!)
  put(batch.idStart[row]!, batch.idEnd[row]!)
  spansOfHeaders(batch, row, put)
}

function spansOfHeaders(batch: MessageBatch, row: number, put: PutSpan): void {
  const end = batch.headerFrom[row + 1]!
  for (let header = batch.headerFrom[row]!; header < end; header++) {
    put(batch.headerNameStart[header]!, batch.headerNameEnd[header]!)
    put(batch.headerValueStart[header]!, batch.headerValueEnd[header]!)
  }
}

/** Position, time, how many spans follow, and each of them behind its length: no two lists of messages have the same bytes. */
function contentOf(about: string, visit: (batch: MessageBatch, row: number, put: PutSpan) => void): Content {
  const hash = createHash('sha256').update(`${about}\n`)
  let at = 0
  const end = () => {
    hash.update(scratch.subarray(0, at))
    at = 0
  }
  const addRow = (batch: MessageBatch, row: number) => {
    if (at + ROW_BYTES > scratch.byteLength) end()
    at = scratch.writeDoubleLE(batch.positions[row]!, at)
    at = scratch.writeDoubleLE(batch.timestamps[row]!, at)
    let spans = 0
    visit(batch, row, () => void spans++)
    at = scratch.writeUInt32LE(spans, at)
    visit(batch, row, (start, stop) => {
      const length = start === -1 ? 0 : stop - start
      if (at + LENGTH_BYTES + Math.min(length, LARGE_BYTES) > scratch.byteLength) end()
      at = scratch.writeUInt32LE(start === -1 ? NOTHING : length, at)
      if (length > LARGE_BYTES) {
        end()
        hash.update(batch.bytes.subarray(start, stop))
      } else if (length > 0) {
        scratch.set(batch.bytes.subarray(start, stop), at)
        at += length
      }
    })
  }
  return {
    add(batch) {
      for (let row = 0; row < batch.count; row++) addRow(batch, row)
      // Others use it too.
      end()
    },
    digest: () => hash.copy().digest(),
  }
}

/** An encoder that writes nothing of the messages: the bytes of each block are the content of all messages up to its last. */
export function createContentEncoder(
  content: Content,
  format: ParquetBlock['format'],
  { codec }: EncoderOptions,
): BlockEncoder<ParquetBlock> {
  const open = () => ({ count: 0, firstPosition: NaN, lastPosition: NaN, minTimestamp: Infinity, maxTimestamp: -Infinity })
  let filling = open()
  return {
    get pendingCount() {
      return filling.count
    },
    pendingBytes: 0,
    add(batch) {
      content.add(batch)
      if (filling.count === 0) filling.firstPosition = batch.positions[0]!
      filling.lastPosition = batch.positions[batch.count - 1]!
      filling.count += batch.count
      for (const timestamp of batch.timestamps) {
        filling.minTimestamp = Math.min(filling.minTimestamp, timestamp)
        filling.maxTimestamp = Math.max(filling.maxTimestamp, timestamp)
      }
      return []
    },
    flush() {
      if (filling.count === 0) return undefined
      const bytes = content.digest()
      const block = {
        ...filling,
        bytes,
        rawBytes: bytes.byteLength,
        filters: [],
        format,
        codec: pageCodec(codec),
        rowGroup: NO_GROUP,
      }
      filling = open()
      return Promise.resolve(block)
    },
  }
}

const NO_GROUP = { schema: [], schemaId: '', columns: [], filters: new Map<number, Uint8Array>() }
