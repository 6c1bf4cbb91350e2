import { type MessageBatch, rowBytes, selectRows } from '../batch/batch.ts'
import { idAt, keyAt } from '../batch/view.ts'
import type { Codec, EncodedBlock } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { RotationCause } from '../encode/rotation.ts'
import type { ObjectPath, ObjectStart } from '../layout/layout.ts'
import type { ValueKind } from '../values/values.ts'
import { objectExtension } from './object-extension.ts'
import { addTo, finish, type OpenObject, openObject, roomCount } from './open-object.ts'
import type { SiblingRules } from './open-sibling.ts'
import { type Group, objectId, type Routed as WholeRouted } from './router.ts'
import type { Filling } from './split-filling.ts'
import { readLeft } from './takeover.ts'

/** Where messages go. */
type Routed = Pick<WholeRouted, 'batch' | 'rows' | 'groups'>

const DEFAULT_MAX_OPEN = 5_000
/** A group of so many rows, or bytes of keys, values and headers, is encoded at once; of fewer, an object's encoder costs more than they do. */
const MANY_ROWS = 128
const MANY_BYTES = 64 * 1024

/** Messages that go to one object, with a batch of their own. */
export interface GroupApart {
  readonly path: ObjectPath
  readonly kind: ValueKind | undefined
  readonly batch: MessageBatch
}

/** The groups with a batch for each. */
export const groupsApart = ({ batch, rows, groups }: Routed): GroupApart[] =>
  groups.map(({ path, kind, from, to }) => ({
    path,
    kind,
    batch: to - from === batch.count ? batch : selectRows(batch, rows.subarray(from, to)),
  }))

/** Puts the messages of one group into the object of its path and kind, and into the next where that is full. */
export async function placeApart(filling: Filling, { path, kind, batch }: GroupApart): Promise<void> {
  const rows = Int32Array.from({ length: batch.count }, (_, row) => row)
  const groups = [{ id: objectId(path, kind), path, kind, from: 0, to: batch.count }]
  await placeAll(filling, { batch, rows, groups })
}

/** Puts the messages of each group into the object of its path, and into the next where that is full. */
export async function placeAll(filling: Filling, routed: Routed): Promise<void> {
  const isMany = routed.groups.map((group) => group.to - group.from >= MANY_ROWS || bytesOf(routed, group) >= MANY_BYTES)
  const numbers = letWait(filling, routed, isMany)
  for (const [at, group] of routed.groups.entries()) {
    await place(filling, routed, group, isMany[at] === true ? undefined : numbers)
  }
}

/** Takes the rows of those groups that are not many into memory; gives the number of each, by its row. */
function letWait({ objects }: Filling, { batch, rows, groups }: Routed, isMany: readonly boolean[]): Int32Array {
  const some = isMany.includes(true)
    ? groups.flatMap(({ from, to }, at) => (isMany[at] === true ? [] : [...rows.subarray(from, to)]))
    : rows
  const numbers = new Int32Array(batch.count)
  if (some.length === 0) return numbers
  const sorted = Int32Array.from(some).sort()
  const first = objects.waiting.load(sorted.length === batch.count ? batch : selectRows(batch, sorted))
  for (let at = 0; at < sorted.length; at++) numbers[sorted[at]!] = first + at
  return numbers
}

async function place(filling: Filling, routed: Routed, group: Group, numbers: Int32Array | undefined): Promise<void> {
  const { options } = filling.run
  const { batch, rows } = routed
  const { id } = group
  for (let { from } = group; from < group.to;) {
    const object = filling.open.get(id) ?? (await openNext(filling, group, batch, rows[from]!))
    // Those that got nothing for longest are the first.
    filling.open.delete(id)
    filling.open.set(id, object)
    const to = Math.min(group.to, from + roomCount(object))
    const settled = addTo(filling.objects, object, { batch, rows: rows.subarray(from, to), numbers })
    if (settled !== undefined) await settled
    from = to
    const isFull = (object.writing?.bytes ?? 0) >= options.rotate.maxBytes
    if (roomCount(object) === 0 || (isFull && mayClose(filling, 'bytes'))) closeObject(filling, id, object)
  }
}

/** Bytes of the keys, values, ids and headers of a group. */
function bytesOf({ batch, rows }: Routed, { from, to }: Group): number {
  let bytes = 0
  for (let at = from; at < to; at++) bytes += rowBytes(batch, rows[at]!)
  return bytes
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
  finish(filling.objects, object, false).catch(() => undefined)
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

/** The first message of a block, as far as it tells of it: where names are fixed it tells all, so that whoever comes later gives the same name. */
function startOf(block: EncodedBlock): Omit<ObjectStart, 'nowMs' | 'writer'> {
  const first = 'rowGroup' in block ? block.rowGroup.told?.first : undefined
  // The key and the id of the object before would give its name again.
  return { position: block.firstPosition, timestampMs: block.minTimestamp, key: undefined, id: undefined, ...first }
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

async function openNext(filling: Filling, { id, path, kind }: Group, batch: MessageBatch, row: number): Promise<OpenObject> {
  const { run, names, siblings } = filling
  const { options, parts } = run
  const { format } = options
  const ending = (own: string, codec: Codec) => objectExtension(options.layout, own, codec)
  const extension = ending(segmentFormat(format).extension(options.codec, options.formatOptions), options.codec)
  const start = {
    position: batch.positions[row]!,
    timestampMs: batch.timestamps[row]!,
    // Its own: the object must not keep the batch.
    key: keyAt(batch, row)?.slice(),
    id: idAt(batch, row) ?? undefined,
    nowMs: filling.clock.nowMs(),
    writer: run.writer,
  }
  const key = names.objectKey(path, start, extension)
  const keyFrom = (block: EncodedBlock) => names.objectKey(path, { ...start, ...startOf(block) }, extension)
  const left = filling.mayBeLeft ? await readLeft(parts.store, key, options) : undefined
  const beside = siblings.map((rules) => ({
    rules,
    key: names.objectKey(path, start, ending(rules.rules.extension(rules.codec), rules.codec), rules.role),
  }))
  const count = left?.count ?? (filling.mayBeLeft ? await countBeside(filling, beside[0]) : undefined)
  const before = filling.lastFull.get(id)
  const place = { key, keyFrom, siblings: beside, path, kind, left, count, before }
  const object = openObject(place, filling.opened++, options.rotate.maxObjectCount)
  if (count !== undefined) filling.owing.add(object)
  if (start.timestampMs < filling.lastTimestamp - (options.graceMs ?? Infinity)) filling.late.add(object)
  return object
}
