import type { MessageBatch } from '../batch/batch.ts'
import type { EncodedBlock } from '../encode/block.ts'
import type { SiblingEntry } from '../encode/segment.ts'
import type { Spill } from '../store/spill.ts'
import { type Body, createBody } from './object-body.ts'
import type { ObjectPlace, ObjectsOf, OwnOfLeft } from './object-place.ts'
import { createObjectEncoder } from './object-encoder.ts'
import { openSibling } from './open-sibling.ts'
import type { ClosedObject } from './takeover.ts'

/** An object that has messages in blocks: they wait in memory or on disk until they are worth a request. */
export interface ObjectWriting {
  /** Bytes of messages that its encoder has and no block holds yet. */
  readonly pendingBytes: number
  /** Compressed bytes that wait in memory. */
  readonly memoryBytes: number
  /** Bytes of the object as far as they are known. */
  readonly bytes: number
  encode(batch: MessageBatch): void
  /** Closes the block that is filling. */
  flush(): void
  /** Waits until no more than so many bytes are being compressed. */
  settle(maxBytes: number): Promise<void>
  /** Moves what waits in memory to disk, once what is being compressed has come. */
  moveTo(disk: Spill): Promise<void>
  /**
   * Makes the object durable with all that was encoded, and others that were begun because a block did not suit the one before.
   * @throws MillpondError `SEGMENT_TAKEN` where another object has got under its key meanwhile.
   */
  finish(left: OwnOfLeft | undefined): Promise<readonly ClosedObject[]>
  /** Nothing is made visible any more. */
  giveUp(): void
  /** Leaves nothing behind that was not finished. */
  abort(): Promise<void>
}

/** Nothing is asked of the store before there is much to write, or it is finished. */
export function createWriting(objects: ObjectsOf, place: ObjectPlace): ObjectWriting {
  const { run, onHeld, onPending } = objects
  const { options } = run
  const encoder = createObjectEncoder(run, place)
  let body = createBody(objects, place)
  const bodies = [body]
  const siblings = place.siblings.map((one) => openSibling(run, one.key, one.rules, onHeld))
  let compressingBytes = 0
  let tail = Promise.resolve()

  const take = (blocks: readonly Promise<EncodedBlock>[], bytes: number) => {
    for (const [at, block] of blocks.entries()) {
      const share = at === 0 ? bytes : 0
      compressingBytes += share
      // A rejection is seen when its turn comes; until then it must not count as unhandled.
      block.catch(() => undefined)
      tail = tail.then(async () => {
        const encoded = await block
        compressingBytes -= share
        onHeld(-share)
        if (!body.suits(encoded)) {
          body = createBody(objects, { ...place, key: place.keyFrom(encoded), left: undefined })
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
    // It is held until it is compressed.
    onPending(-bytes)
    onHeld(bytes)
    take([block], bytes)
  }

  return {
    get pendingBytes() {
      return encoder.pendingBytes
    },
    get memoryBytes() {
      return body.memoryBytes
    },
    get bytes() {
      return body.bytes + compressingBytes
    },
    encode(batch) {
      for (const sibling of siblings) sibling.add(batch)
      const before = encoder.pendingBytes
      const blocks = encoder.add(batch)
      // Of blocks that became full only the pool knows how long they are; they are about as long as blocks are to be.
      const closed = blocks.length * options.blockBytes
      onPending(encoder.pendingBytes - before)
      onHeld(closed)
      take(blocks, closed)
    },
    flush,
    async settle(maxBytes) {
      if (compressingBytes > maxBytes) await tail
    },
    moveTo(disk) {
      tail = tail.then(() => body.moveTo(disk))
      tail.catch(() => undefined)
      return tail
    },
    async finish(left) {
      flush()
      await tail
      // Whoever finds the objects of a path one behind the other takes over all that there are.
      await place.before?.finished
      // The segment comes last: who finds it finds what lies beside it. And of those the first tells whoever comes what the others hold.
      const beside: SiblingEntry[] = []
      for (const sibling of siblings) beside.push(await sibling.finish(place.count !== undefined))
      const closed = left === undefined ? await inTurn(bodies) : [await body.takeOver(left)]
      const [first, ...others] = closed
      return [{ ...first!, entry: { ...first!.entry, siblings: beside } }, ...others]
    },
    giveUp() {
      for (const one of bodies) one.giveUp()
    },
    async abort() {
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
