import { createHash } from 'node:crypto'
import { SYNC_BYTES } from '../encode/avro-container.ts'
import type { EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import { areAlike, type Chunk, createSegmentBuilder, type SegmentBuilder } from '../encode/segment-builder.ts'
import { MillpondError } from '../errors.ts'
import type { Spill, SpilledBytes } from '../store/spill.ts'
import type { ObjectWriter } from '../store/store.ts'
import type { LaneRun } from './lane-run.ts'
import type { ObjectPlace, ObjectsOf, OwnOfLeft } from './object-place.ts'
import { type ClosedObject, describeLeft, fixedSync } from './takeover.ts'

/** An object's bytes on their way: blocks wait as they are, in memory or on disk, until they are worth a request. */
export interface Body {
  /** Length of its blocks. */
  readonly bytes: number
  /** Of those that wait, what is in memory. */
  readonly memoryBytes: number
  /** Whether the object can hold the block. */
  suits(block: EncodedBlock): boolean
  append(block: EncodedBlock): Promise<void>
  /** Moves what waits in memory to disk. */
  moveTo(disk: Spill): Promise<void>
  /**
   * Makes the object durable.
   * @throws MillpondError `SEGMENT_TAKEN` or `NAME_TAKEN` where another object has got under its key meanwhile; and where it was given up.
   */
  finish(): Promise<ClosedObject>
  /** Takes over what was left under the key instead, of which these blocks should be the content. */
  takeOver(left: OwnOfLeft): Promise<ClosedObject>
  /** Nothing is made visible any more. */
  giveUp(): void
  abort(): Promise<void>
}

/** From so many bytes on an object is streamed into the store: then a request is worth its price. */
const STREAM_BYTES = 8 * 1024 * 1024

/** A block that waits: in memory, or without its bytes on disk. */
interface Waiting {
  readonly block: EncodedBlock
  readonly spilled: SpilledBytes | undefined
}

/** An object that holds nothing yet. The builder of its segment is made when it is written: thousands that wait need none. */
export function createBody({ run, onHeld, onLasting }: ObjectsOf, { key, path, kind, left }: ObjectPlace): Body {
  const { parts, options } = run
  let builder: SegmentBuilder | undefined
  let writer: ObjectWriter | undefined
  let waiting: Waiting[] = []
  let first: EncodedBlock | undefined
  let bytes = 0
  let waitingBytes = 0
  let memoryBytes = 0
  let isGivenUp = false

  const hold = (change: number) => {
    memoryBytes += change
    onHeld(change)
  }
  const open = ({ format, codec }: EncodedBlock): SegmentBuilder => {
    const sync = options.layout?.isUnique === true ? parts.randomBytes(SYNC_BYTES) : fixedSync(key)
    return createSegmentBuilder({ format, codec, sync, formatOptions: options.formatOptions, ...(kind ? { kind } : {}) })
  }
  /** Frames what waits, and hands it over block by block. */
  const drain = async (write: (chunks: readonly Chunk[]) => Promise<void>): Promise<SegmentBuilder> => {
    if (first === undefined) throw new MillpondError('INTERNAL', `${key} has no block`)
    if (builder === undefined) {
      builder = open(first)
      const { header, headerCrc32c } = builder
      if (header.byteLength > 0) await write([{ bytes: header, crc32c: headerCrc32c }])
    }
    for (const { block, spilled } of waiting.splice(0)) {
      if (spilled === undefined) {
        await write(builder.append(block))
        hold(-block.bytes.byteLength)
      } else {
        await write(builder.append({ ...block, bytes: await spilled.read() }))
        spilled.free()
      }
    }
    waitingBytes = 0
    return builder
  }
  const stream = async (): Promise<{ built: SegmentBuilder; to: ObjectWriter }> => {
    const to = (writer ??= await parts.store.openWriter(key))
    const built = await drain(async (chunks) => {
      for (const chunk of chunks) await to.write(chunk.bytes, chunk.crc32c)
    })
    return { built, to }
  }
  const forget = () => {
    for (const { block, spilled } of waiting.splice(0)) {
      if (spilled === undefined) hold(-block.bytes.byteLength)
      else spilled.free()
    }
    waitingBytes = 0
  }

  return {
    get bytes() {
      return bytes
    },
    get memoryBytes() {
      return memoryBytes
    },
    suits: (block) => first === undefined || areAlike(first, block),
    async append(block) {
      first ??= withoutBytes(block)
      const { byteLength } = block.bytes
      onLasting(block.filters.reduce((sum, { bits }) => sum + bits.byteLength, 0))
      waiting.push({ block, spilled: undefined })
      bytes += byteLength
      waitingBytes += byteLength
      hold(byteLength)
      // What is there already is not written again.
      if (left === undefined && (writer !== undefined || waitingBytes >= STREAM_BYTES)) await stream()
    },
    async moveTo(disk) {
      const all: Waiting[] = []
      for (const one of waiting) {
        if (one.spilled !== undefined) {
          all.push(one)
          continue
        }
        all.push({ block: withoutBytes(one.block), spilled: await disk.write(one.block.bytes) })
        hold(-one.block.bytes.byteLength)
      }
      waiting = all
    },
    async finish() {
      const { built, to } = await stream()
      for (const chunk of built.end()) await to.write(chunk.bytes, chunk.crc32c)
      const { entry, lookupBytes } = built.finish(key, path.values)
      if (isGivenUp) throw new MillpondError('INTERNAL', `${key} was given up`)
      if ((await to.finish()) === 'exists' && !(await isOurs(run, entry))) {
        // Whoever can read what is there takes it over at the next attempt.
        const code = segmentFormat(options.format).split === undefined ? 'NAME_TAKEN' : 'SEGMENT_TAKEN'
        throw new MillpondError(code, `${key} is there already and holds something else`, { details: { key } })
      }
      writer = undefined
      return { entry, lookupBytes }
    },
    async takeOver({ object, positions, timestamps }) {
      const chunks: Chunk[][] = []
      const built = await drain(async (some) => void chunks.push([...some]))
      if (built.header.byteLength > 0) chunks.shift()
      built.end()
      const { entry, lookupBytes } = built.finish(key, path.values)
      const blocks = chunks.map((some) => Buffer.concat(some.map((chunk) => chunk.bytes)))
      const format = segmentFormat(options.format)
      return describeLeft(object, { entry, lookupBytes, format, fields: options.lookups, blocks, positions, timestamps })
    },
    giveUp() {
      isGivenUp = true
    },
    async abort() {
      forget()
      await writer?.abort()
    },
  }
}

const NO_BYTES = new Uint8Array(0)

const withoutBytes = (block: EncodedBlock): EncodedBlock => ({ ...block, bytes: NO_BYTES })

/** Whether the object under the key is the very one that was to be written: then a crash, or another writer of the lane, was before us. */
async function isOurs({ parts: { store } }: LaneRun, { key, bytes, sha256 }: SegmentEntry): Promise<boolean> {
  if ((await store.size(key)) !== bytes) return false
  return (
    createHash('sha256')
      .update(await store.read(key))
      .digest('hex') === sha256
  )
}
