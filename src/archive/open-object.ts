import { type MessageBatch, selectRows } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { ObjectPlace, ObjectsOf, OwnOfLeft } from './object-place.ts'
import { createWriting, type ObjectWriting } from './object-writing.ts'
import type { ClosedObject } from './takeover.ts'
import { openQueue, type RowQueue } from './waiting-rows.ts'

/**
 * An object that is being filled. There may be thousands: while their messages wait each is a few numbers, and what writes it is made when they are
 * worth a block.
 */
export interface OpenObject {
  readonly place: ObjectPlace
  /** How many objects of the lane were opened before it. */
  readonly ordinal: number
  /** How many messages it may hold by the rules. */
  readonly maxCount: number
  readonly queue: RowQueue
  readonly left: OwnOfLeft | undefined
  count: number
  /** The largest timestamp in it, ms. */
  lastTimestamp: number
  writing: ObjectWriting | undefined
  finished: Promise<readonly ClosedObject[]> | undefined
}

/** Some rows of a batch; of those that wait in memory the numbers are known, by row. */
export interface RowsOf {
  readonly batch: MessageBatch
  /** Rising. */
  readonly rows: Int32Array
  readonly numbers: Int32Array | undefined
}

/** Bytes of one object that may be on their way through compression before reading waits. */
const MAX_COMPRESSING_BYTES = 8 * 1024 * 1024
/** Bytes of messages that wait no longer to be encoded, unless blocks are smaller: a block of them is nearly as dense as a larger one. */
const WORTH_BYTES = 256 * 1024

/** Opens an object of the lane. */
export function openObject(place: ObjectPlace, ordinal: number, maxCount = Infinity): OpenObject {
  return {
    place,
    ordinal,
    maxCount,
    queue: openQueue(),
    left: place.left && { object: place.left, positions: [], timestamps: [] },
    count: 0,
    lastTimestamp: -Infinity,
    writing: undefined,
    finished: undefined,
  }
}

/** How many messages it may still take: what was left under its key, or beside it, has so many, or the rules say so. */
export const roomCount = ({ place, maxCount, count }: OpenObject): number => (place.count ?? maxCount) - count

/**
 * Takes messages; those whose numbers are known only wait until they are worth a block. What it gives is to be waited for: then few bytes are
 * being compressed.
 */
export function addTo(objects: ObjectsOf, object: OpenObject, some: RowsOf): Promise<void> | undefined {
  if (object.finished !== undefined) throw new MillpondError('INTERNAL', `${object.place.key} is finished already`)
  const { rows, numbers } = some
  const { queue } = object
  account(object, some)
  if (numbers === undefined) return encodeAll(objects, object, some)
  for (const row of rows) objects.waiting.put(queue, numbers[row]!)
  return queue.bytes < Math.min(WORTH_BYTES, objects.run.options.blockBytes) ? undefined : encodeAll(objects, object)
}

async function encodeAll(objects: ObjectsOf, object: OpenObject, more?: RowsOf): Promise<void> {
  await encodeWaiting(objects, object, false)
  const writing = writingOf(objects, object)
  if (more !== undefined) {
    const { batch, rows } = more
    writing.encode(rows.length === batch.count ? batch : selectRows(batch, rows))
  }
  await writing.settle(MAX_COMPRESSING_BYTES)
}

/** Makes blocks of all that it has, and waits for them. */
export async function press(objects: ObjectsOf, object: OpenObject): Promise<void> {
  await encodeWaiting(objects, object, false)
  object.writing?.flush()
  await object.writing?.settle(0)
}

/**
 * Writes what is left and makes the object durable, and others that were begun because a block did not suit the one before; calls after the
 * first give the same. In a sweep all objects are finished, in the order of their numbers.
 * @throws MillpondError `SEGMENT_TAKEN` where another object has got under its key meanwhile.
 */
export function finish(objects: ObjectsOf, object: OpenObject, isSweep: boolean): Promise<readonly ClosedObject[]> {
  const act = async () => {
    await encodeWaiting(objects, object, isSweep)
    const closed = await writingOf(objects, object).finish(object.left)
    // It waits for the commit, and thousands with it.
    object.writing = undefined
    return closed
  }
  object.finished ??= act()
  return object.finished
}

/** Leaves nothing on its way, and nothing behind that was not finished. */
export async function abort(object: OpenObject): Promise<void> {
  object.writing?.giveUp()
  // What is being finished ends at its next step, or is whole: a part of it must never be seen.
  await object.finished?.catch(() => undefined)
  await object.writing?.abort()
}

const writingOf = (objects: ObjectsOf, object: OpenObject): ObjectWriting =>
  (object.writing ??= createWriting(objects, object.place))

async function encodeWaiting(objects: ObjectsOf, object: OpenObject, isSweep: boolean): Promise<void> {
  await objects.waiting.take(object.queue, isSweep, (batch) => writingOf(objects, object).encode(batch))
}

function account(object: OpenObject, { batch, rows }: RowsOf): void {
  const { left } = object
  for (const row of rows) {
    const timestamp = batch.timestamps[row]!
    if (timestamp > object.lastTimestamp) object.lastTimestamp = timestamp
    if (left === undefined) continue
    left.positions.push(batch.positions[row]!)
    left.timestamps.push(timestamp)
  }
  object.count += rows.length
}
