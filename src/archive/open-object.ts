import { createHash } from 'node:crypto'
import type { MessageBatch } from '../batch/batch.ts'
import type { BlockEncoder } from '../encode/block-encoder.ts'
import type { EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { SegmentEntry, SiblingEntry } from '../encode/segment.ts'
import { type Chunk, createSegmentBuilder, type SegmentBuilder } from '../encode/segment-builder.ts'
import { MillpondError } from '../errors.ts'
import type { ObjectPath } from '../layout/layout.ts'
import type { ObjectWriter } from '../store/store.ts'
import type { ValueKind } from '../values/values.ts'
import type { LaneRun } from './lane-run.ts'
import { openSibling, type SiblingRules } from './open-sibling.ts'
import type { Spill, SpilledBytes } from '../store/spill.ts'
import { type ClosedObject, describeLeft, fixedSync, type LeftObject } from './takeover.ts'

/** What an object is, and where it goes. */
export interface ObjectPlace {
  readonly key: string
  /** The key of an object that begins with this block, where one that came before does not suit it. */
  readonly keyFrom: (block: EncodedBlock) => string
  readonly path: ObjectPath
  readonly kind: ValueKind | undefined
  /** What is written beside it. */
  readonly siblings: readonly { readonly key: string; readonly rules: SiblingRules }[]
  /** What lies under the key already: it is taken over instead of being written. */
  readonly left: LeftObject | undefined
  /** How many messages it has to hold, as what lies under its key or beside it tells; undefined where nothing does. */
  readonly count: number | undefined
  /** The object of the same path before it, where no commit names that yet: none of a path is seen before it. */
  readonly before: Pick<OpenObject, 'finish'> | undefined
  /** Told what the object holds more (or less) of memory than before, bytes. */
  readonly onHeld: (change: number) => void
  /** The same for what no block holds yet, which is a part of it. */
  readonly onPending: (change: number) => void
  /** Told of bytes that it holds until its commit, which are a part of it too: filters. */
  readonly onLasting: (bytes: number) => void
}

/** An object that is being filled: messages become blocks, and blocks wait in memory or on disk until they are worth a request. */
export interface OpenObject {
  readonly place: ObjectPlace
  readonly count: number
  /** The largest timestamp in it, ms. */
  readonly lastTimestamp: number
  /** How many messages it may still take: what was left under its key has so many, or the rules say so. */
  readonly roomCount: number
  /** Bytes of messages that no block holds yet. */
  readonly pendingBytes: number
  /** Compressed bytes that wait in memory. */
  readonly waitingBytes: number
  /** Bytes of the object as far as they are known. */
  readonly bytes: number
  add(batch: MessageBatch): void
  /** Closes the block that is filling. */
  flush(): void
  /** Moves what waits in memory to disk, once what is being compressed has come. */
  moveTo(disk: Spill): void
  /** Waits until so few bytes as these are being compressed. */
  settle(maxBytes: number): Promise<void>
  /**
   * Writes what is left and makes the object durable, and others that were begun because a block did not suit the one before; calls after the
   * first give the same.
   * @throws MillpondError `SEGMENT_TAKEN` where another object has got under its key meanwhile.
   */
  finish(): Promise<readonly ClosedObject[]>
  /** Leaves nothing behind that was not finished. */
  abort(): Promise<void>
}

/** From so many bytes on an object is streamed into the store: then a request is worth its price. */
const STREAM_BYTES = 8 * 1024 * 1024

const SYNC_BYTES = 16

/** A chunk that waits: in memory, or on disk. */
type Waiting = Chunk | { readonly spilled: SpilledBytes; readonly crc32c: number }

/** Opens an object of the lane. Nothing is asked of the store before there is much to write, or it is finished. */
export function openObject(run: LaneRun, place: ObjectPlace): OpenObject {
  const { options } = run
  const { key, kind } = place
  const format = segmentFormat(options.format)
  const encoder: BlockEncoder = format.createEncoder({ ...options, pool: run.pool, origin: run.lane, ...(kind ? { kind } : {}) })
  let body = createBody(run, place)
  const bodies = [body]
  const siblings = place.siblings.map((one) => openSibling(run, one.key, one.rules, place.onHeld))
  let count = 0
  let lastTimestamp = -Infinity
  let compressingBytes = 0
  let tail = Promise.resolve()
  let finished: Promise<readonly ClosedObject[]> | undefined
  const positions: number[] = []
  const timestamps: number[] = []

  const take = (blocks: readonly Promise<EncodedBlock>[], bytes: number) => {
    for (const [at, block] of blocks.entries()) {
      const share = at === 0 ? bytes : 0
      compressingBytes += share
      // A rejection is seen when its turn comes; until then it must not count as unhandled.
      block.catch(() => undefined)
      tail = tail.then(async () => {
        const encoded = await block
        compressingBytes -= share
        place.onHeld(-share)
        if (!body.suits(encoded)) {
          body = createBody(run, { ...place, key: place.keyFrom(encoded), left: undefined })
          bodies.push(body)
        }
        await body.append(encoded)
      })
      tail.catch(() => undefined)
    }
  }
  const flush = () => {
    const bytes = encoder.pendingBytes
    const block = encoder.flush()
    if (block === undefined) return
    place.onPending(-bytes)
    take([block], bytes)
  }
  const finish = async (): Promise<readonly ClosedObject[]> => {
    flush()
    await tail
    // Whoever finds the objects of a path one behind the other takes over all that there are.
    await place.before?.finish()
    // The segment comes last: who finds it finds what lies beside it. And of those the first tells whoever comes what the others hold.
    const beside: SiblingEntry[] = []
    for (const sibling of siblings) beside.push(await sibling.finish(place.count !== undefined))
    const closed =
      place.left === undefined
        ? await inTurn(bodies)
        : [await describeLeft(place.left, { ...body.describe(), format, blocks: body.blocks, positions, timestamps })]
    const [first, ...others] = closed
    return [{ ...first!, entry: { ...first!.entry, siblings: beside } }, ...others]
  }

  return {
    place,
    get count() {
      return count
    },
    get lastTimestamp() {
      return lastTimestamp
    },
    get roomCount() {
      return (place.count ?? options.rotate.maxObjectCount ?? Infinity) - count
    },
    get pendingBytes() {
      return encoder.pendingBytes
    },
    get waitingBytes() {
      return body.waitingBytes
    },
    get bytes() {
      return body.bytes + compressingBytes
    },
    add(batch) {
      if (finished !== undefined) throw new MillpondError('INTERNAL', `${key} is finished already`)
      for (const sibling of siblings) sibling.add(batch)
      const before = encoder.pendingBytes
      const blocks = encoder.add(batch)
      // Of blocks that became full only the pool knows how long they are; they are about as long as blocks are to be.
      const closed = blocks.length * options.blockBytes
      place.onPending(encoder.pendingBytes - before)
      place.onHeld(encoder.pendingBytes - before + closed)
      if (place.left !== undefined) {
        for (const position of batch.positions) positions.push(position)
        for (const timestamp of batch.timestamps) timestamps.push(timestamp)
      }
      count += batch.count
      for (const timestamp of batch.timestamps) if (timestamp > lastTimestamp) lastTimestamp = timestamp
      take(blocks, closed)
    },
    flush,
    moveTo(disk) {
      tail = tail.then(() => body.moveTo(disk))
      tail.catch(() => undefined)
    },
    async settle(maxBytes) {
      if (compressingBytes > maxBytes) await tail
    },
    finish() {
      finished ??= finish()
      return finished
    },
    async abort() {
      for (const one of bodies) one.giveUp()
      // What is being finished ends at its next step, or is whole: a part of it must never be seen.
      await finished?.catch(() => undefined)
      await tail.catch(() => undefined)
      await Promise.all(bodies.map((one) => one.abort()))
    },
  }
}

async function inTurn(bodies: readonly Body[]): Promise<ClosedObject[]> {
  const closed: ClosedObject[] = []
  for (const body of bodies) closed.push(await body.finish())
  return closed
}

/** The object's bytes on their way. */
interface Body {
  readonly bytes: number
  readonly waitingBytes: number
  /** The blocks of an object that is not written, as what was left under its key is taken over. */
  readonly blocks: readonly Uint8Array[]
  /** Whether the object can hold the block. */
  suits(block: EncodedBlock): boolean
  append(block: EncodedBlock): Promise<void>
  moveTo(disk: Spill): Promise<void>
  /** The account of all blocks, without writing anything. */
  describe(): ClosedObject
  /** @throws MillpondError `SEGMENT_TAKEN`, `NAME_TAKEN`; and where it was given up meanwhile. */
  finish(): Promise<ClosedObject>
  /** Nothing is made visible any more. */
  giveUp(): void
  abort(): Promise<void>
}

function createBody(run: LaneRun, place: ObjectPlace): Body {
  const { parts, options } = run
  const { key, path, kind } = place
  let builder: SegmentBuilder | undefined
  let writer: ObjectWriter | undefined
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let inMemoryBytes = 0
  let isGivenUp = false
  const blocks: Uint8Array[] = []

  const open = (block: EncodedBlock): SegmentBuilder => {
    const sync = options.layout?.isUnique === true ? parts.randomBytes(SYNC_BYTES) : fixedSync(key)
    const opened = createSegmentBuilder({
      format: block.format,
      codec: block.codec,
      sync,
      formatOptions: options.formatOptions,
      ...(kind ? { kind } : {}),
    })
    const { header } = opened
    if (header.byteLength > 0) keep({ bytes: header, crc32c: opened.headerCrc32c })
    return opened
  }
  const keep = (chunk: Chunk) => {
    waiting.push(chunk)
    waitingBytes += chunk.bytes.byteLength
    hold(chunk.bytes.byteLength)
  }
  const hold = (change: number) => {
    inMemoryBytes += change
    place.onHeld(change)
  }
  const drain = async (to: ObjectWriter) => {
    for (const chunk of waiting.splice(0)) {
      if ('spilled' in chunk) {
        await to.write(await chunk.spilled.read(), chunk.crc32c)
        chunk.spilled.free()
      } else {
        await to.write(chunk.bytes, chunk.crc32c)
        hold(-chunk.bytes.byteLength)
      }
    }
    waitingBytes = 0
  }
  const spill = async (to: Spill) => {
    const all: Waiting[] = []
    for (const chunk of waiting) {
      if ('spilled' in chunk) {
        all.push(chunk)
        continue
      }
      all.push({ spilled: await to.write(chunk.bytes), crc32c: chunk.crc32c })
      hold(-chunk.bytes.byteLength)
    }
    waiting = all
  }
  const describe = (): ClosedObject => {
    if (builder === undefined) throw new MillpondError('INTERNAL', `${key} has no block`)
    for (const chunk of builder.end()) keep(chunk)
    const { entry, lookupBytes } = builder.finish(key, path.values)
    return { entry, lookupBytes }
  }

  return {
    get bytes() {
      return builder?.bytes ?? 0
    },
    get waitingBytes() {
      return inMemoryBytes
    },
    blocks,
    suits: (block) => builder?.suits(block) ?? true,
    async append(block) {
      builder ??= open(block)
      place.onLasting(block.filters.reduce((sum, { bits }) => sum + bits.byteLength, 0))
      const chunks = builder.append(block)
      // What is there already is not written again.
      if (place.left !== undefined) {
        blocks.push(Buffer.concat(chunks.map(({ bytes }) => bytes)))
        return
      }
      for (const chunk of chunks) keep(chunk)
      if (writer === undefined && waitingBytes >= STREAM_BYTES) writer = await parts.store.openWriter(key)
      if (writer !== undefined) await drain(writer)
    },
    moveTo: spill,
    describe,
    async finish() {
      const closed = describe()
      writer ??= await parts.store.openWriter(key)
      await drain(writer)
      if (isGivenUp) throw new MillpondError('INTERNAL', `${key} was given up`)
      if ((await writer.finish()) === 'exists' && !(await isOurs(run, closed.entry))) {
        // Whoever can read what is there takes it over at the next attempt.
        const code = segmentFormat(options.format).split === undefined ? 'NAME_TAKEN' : 'SEGMENT_TAKEN'
        throw new MillpondError(code, `${key} is there already and holds something else`, { details: { key } })
      }
      return closed
    },
    giveUp() {
      isGivenUp = true
    },
    async abort() {
      discard()
      await writer?.abort()
    },
  }

  function discard(): void {
    for (const chunk of waiting.splice(0)) {
      if ('spilled' in chunk) chunk.spilled.free()
      else hold(-chunk.bytes.byteLength)
    }
    waitingBytes = 0
  }
}

/** Whether the object under the key is the very one that was to be written: then a crash, or another writer of the lane, was before us. */
async function isOurs({ parts: { store } }: LaneRun, { key, bytes, sha256 }: SegmentEntry): Promise<boolean> {
  if ((await store.size(key)) !== bytes) return false
  return (
    createHash('sha256')
      .update(await store.read(key))
      .digest('hex') === sha256
  )
}
