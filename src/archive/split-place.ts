import { sliceBatch } from '../batch/batch.ts'
import { idAt, keyAt } from '../batch/view.ts'
import type { Codec, EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { RotationCause } from '../encode/rotation.ts'
import type { ObjectPath } from '../layout/layout.ts'
import type { ValueKind } from '../values/values.ts'
import { objectExtension } from './object-extension.ts'
import { type OpenObject, openObject } from './open-object.ts'
import type { SiblingRules } from './open-sibling.ts'
import type { Group } from './router.ts'
import type { Filling } from './split-filling.ts'
import { readLeft } from './takeover.ts'

/** Bytes of one object that may be on their way through compression before reading waits. */
const MAX_COMPRESSING_BYTES = 8 * 1024 * 1024
const DEFAULT_MAX_OPEN = 5_000

/** What an open object of a lane is known by. */
export const objectId = (path: ObjectPath, kind: ValueKind | undefined): string =>
  kind === undefined ? path.id : `${path.id}\n${kind.id}`

/** Puts a group's messages into the object of their path, and into the next where that is full. */
export async function place(filling: Filling, group: Group): Promise<void> {
  const { options } = filling.run
  const id = objectId(group.path, group.kind)
  for (let from = 0; from < group.batch.count;) {
    const object = filling.open.get(id) ?? (await openNext(filling, group, { id, row: from }))
    // Those that got nothing for longest are the first.
    filling.open.delete(id)
    filling.open.set(id, object)
    const to = Math.min(group.batch.count, from + object.roomCount)
    object.add(from === 0 && to === group.batch.count ? group.batch : sliceBatch(group.batch, from, to))
    from = to
    const isFull = object.bytes >= options.rotate.maxBytes
    if (object.roomCount === 0 || (isFull && mayClose(filling, 'bytes'))) closeObject(filling, id, object)
    else await object.settle(MAX_COMPRESSING_BYTES)
  }
}

/** Whether an object may be seen before its commit is due. Where its name hangs on the clock it may not: then a commit is due for that reason. */
function mayClose(filling: Filling, cause: RotationCause): boolean {
  if (!filling.clock.isUsed) return true
  filling.due ??= cause
  return false
}

/** Takes no more messages into the object, and makes it durable while others fill, if it may. */
function closeObject(filling: Filling, id: string, object: OpenObject): void {
  filling.open.delete(id)
  filling.owing.delete(object)
  filling.late.delete(object)
  filling.full.push(object)
  filling.lastFull.set(id, object)
  // One that has its count is not seen before its commit either where its name hangs on the clock.
  if (object.place.count === undefined && !mayClose(filling, 'count')) return
  // Its failure is seen when it is committed.
  object.finish().catch(() => undefined)
}

/** Closes objects that got nothing for long: those that are too many, and those whose time of grace is over. One that was late from the beginning stays, so that all that is late lies together. */
export function closeOldest(filling: Filling): void {
  const { maxOpenObjects = DEFAULT_MAX_OPEN, graceMs = Infinity } = filling.run.options
  if (filling.clock.isUsed) {
    if (filling.open.size > maxOpenObjects) mayClose(filling, 'objects')
    return
  }
  for (const [id, object] of filling.open) {
    const isLate = filling.late.has(object)
    const isOver = !isLate && object.lastTimestamp < filling.lastTimestamp - graceMs
    if (isOver || filling.open.size > maxOpenObjects) {
      if (!filling.owing.has(object)) closeObject(filling, id, object)
    } else if (!isLate) return
  }
}

/** How many messages a sibling tells of that a crash left without its segment; the first is written first. */
async function countBeside(
  { run: { parts, options } }: Filling,
  first: { readonly key: string; readonly rules: SiblingRules } | undefined,
): Promise<number | undefined> {
  if (first === undefined) return undefined
  const { format } = first.rules
  return (await readLeft(parts.store, first.key, { format, formatOptions: options.formatOptions }))?.count
}

async function openNext(
  filling: Filling,
  { path, kind, batch }: Group,
  { id, row }: { id: string; row: number },
): Promise<OpenObject> {
  const { run, names, siblings } = filling
  const { options, parts } = run
  const { format } = options
  const ending = (own: string, codec: Codec) => objectExtension(options.layout, own, codec)
  const extension = ending(segmentFormat(format).extension(options.codec, options.formatOptions), options.codec)
  const start = {
    position: batch.positions[row]!,
    timestampMs: batch.timestamps[row]!,
    key: keyAt(batch, row) ?? undefined,
    id: idAt(batch, row) ?? undefined,
    nowMs: filling.clock.nowMs(),
    writer: run.writer,
  }
  const key = names.objectKey(path, start, extension)
  // Blocks do not tell ids and keys of their messages: that of the first object would give its name again.
  const keyFrom = ({ firstPosition, minTimestamp }: EncodedBlock) =>
    names.objectKey(
      path,
      { ...start, position: firstPosition, timestampMs: minTimestamp, key: undefined, id: undefined },
      extension,
    )
  const left = filling.mayBeLeft ? await readLeft(parts.store, key, options) : undefined
  const beside = siblings.map((rules) => ({
    rules,
    key: names.objectKey(path, start, ending(rules.rules.extension(rules.codec), rules.codec), rules.role),
  }))
  const count = left?.count ?? (filling.mayBeLeft ? await countBeside(filling, beside[0]) : undefined)
  const object = openObject(run, {
    key,
    keyFrom,
    siblings: beside,
    path,
    kind,
    left,
    count,
    before: filling.lastFull.get(id),
    onHeld(change) {
      filling.heldBytes += change
      filling.share.hold(Math.max(0, filling.heldBytes))
    },
    onPending(change) {
      filling.pendingBytes += change
    },
    onLasting(bytes) {
      filling.lastingBytes += bytes
      filling.heldBytes += bytes
    },
  })
  if (count !== undefined) filling.owing.add(object)
  if (start.timestampMs < filling.lastTimestamp - (options.graceMs ?? Infinity)) filling.late.add(object)
  return object
}
