/**
 * Values of several schemas in one object. The object of a path has the schema of its first message. What comes after it is written as that schema says
 * where the mode has it so; a message that has to have an object of its own has the next ones go there too. So an object that begins with some
 * message holds what the messages from there on say and nothing else, whoever writes it: a writer that goes on behind another finds what it would write.
 */
import { type MessageBatch, selectRows, sliceBatch } from '../batch/batch.ts'
import { joinBatches } from '../batch/join.ts'
import { segmentFormat } from '../encode/formats.ts'
import { placeValue, type ProjectValues, versionFor } from '../values/projection.ts'
import type { ValueKind } from '../values/values.ts'
import { roomCount } from './open-object.ts'
import { objectId } from './router.ts'
import { projectionTo, type Sharing } from './sharing.ts'
import type { Filling } from './split-filling.ts'
import { type GroupApart as Group, placeApart as place } from './split-place.ts'

/** Puts the messages of groups into objects that others share, or into some of their own. */
export async function placeShared(filling: Filling, sharing: Sharing, groups: readonly Group[]): Promise<void> {
  const { topic } = filling.run.lane
  const sharers = Map.groupBy(groups, ({ path, kind }) => {
    const version = kind && versionFor(topic, kind)
    return version && `${path.id}\n${version.subject}`
  })
  for (const [id, some] of sharers) {
    if (id !== undefined) await placeSharers(filling, sharing, id, some)
    else for (const group of some) await place(filling, group)
  }
}

/** The same for groups of one path and subject. */
async function placeSharers(filling: Filling, sharing: Sharing, id: string, groups: readonly Group[]): Promise<void> {
  for (let left = groups; left.length > 0; left = left.filter(({ batch }) => batch.count > 0)) {
    const next = left.reduce((first, group) => (startOf(group) < startOf(first) ? group : first))
    const others = left.filter((group) => group !== next)
    const current = filling.open.get(sharing.objectOf.get(id) ?? '')
    const isNew = ({ kind }: Group) => current === undefined || isApart(filling, sharing, current.place.kind!, kind!)
    if (current === undefined || isNew(next)) {
      sharing.objectOf.set(id, objectId(next.path, next.kind))
      const [run, rest] = cut(next, rowsBefore(next, firstOf(others)))
      await place(filling, run)
      left = [rest, ...others]
      continue
    }
    const room = roomCount(current)
    // An object that was left takes no more than it holds; who decides is then the next one.
    const isLeft = room !== Infinity
    const end = firstOf(isLeft ? others : left.filter(isNew))
    const parts = (isLeft ? [next] : left).map((group) => cut(group, Math.min(room, rowsBefore(group, end))))
    await placeAs(
      filling,
      sharing,
      current.place.kind!,
      parts.map(([taken]) => taken).filter(({ batch }) => batch.count > 0),
    )
    left = [...parts.map(([, rest]) => rest), ...(isLeft ? others : [])]
  }
}

const startOf = ({ batch }: Group): number => batch.positions[0]!
const firstOf = (groups: readonly Group[]): number => groups.reduce((first, group) => Math.min(first, startOf(group)), Infinity)

function isApart({ run }: Filling, { compatibility }: Sharing, current: ValueKind, incoming: ValueKind): boolean {
  return placeValue({ compatibility, topic: run.lane.topic }, current, incoming) === 'new'
}

/** How many of its messages lie before the position. */
function rowsBefore({ batch: { positions, count } }: Group, end: number): number {
  if (count === 0 || positions[count - 1]! < end) return count
  let low = 0
  for (let high = count; low < high;) {
    const middle = (low + high) >> 1
    if (positions[middle]! < end) low = middle + 1
    else high = middle
  }
  return low
}

const cut = (group: Group, rows: number): [Group, Group] => [
  { ...group, batch: sliceBatch(group.batch, 0, rows) },
  { ...group, batch: sliceBatch(group.batch, rows, group.batch.count) },
]

/** Puts messages into the object of this kind, written as it says; those that cannot be go into objects of their own. */
async function placeAs(filling: Filling, sharing: Sharing, kind: ValueKind, groups: readonly Group[]): Promise<void> {
  const fitting: MessageBatch[] = []
  const own: Group[] = []
  for (const group of groups) {
    const project = group.kind!.id === kind.id ? undefined : projectionTo(sharing, group.kind!, kind)
    if (group.kind!.id === kind.id) fitting.push(group.batch)
    else if (project === undefined) own.push(group)
    else {
      const { fit, unfit } = divide(filling, kind, project, group.batch)
      if (fit.count > 0) fitting.push(fit)
      if (unfit.count > 0) own.push({ ...group, batch: unfit })
    }
  }
  const [{ path }] = groups as [Group]
  if (fitting.length > 0) await place(filling, { path, kind, batch: inOrder(fitting) })
  for (const group of own) await place(filling, group)
}

/** All of them as one, by position. */
function inOrder(batches: readonly MessageBatch[]): MessageBatch {
  if (batches.length === 1) return batches[0]!
  const joined = joinBatches(batches)
  const rows = Int32Array.from({ length: joined.count }, (_, row) => row)
  return selectRows(
    joined,
    rows.sort((a, b) => joined.positions[a]! - joined.positions[b]!),
  )
}

/** The messages written anew, and as they were those whose values the other schema cannot hold. */
function divide(
  { run: { options } }: Filling,
  kind: ValueKind,
  project: ProjectValues,
  batch: MessageBatch,
): { readonly fit: MessageBatch; readonly unfit: MessageBatch } {
  const { batch: projected, unreadable } = project(batch)
  const bad = new Set(unreadable.map(({ row }) => row))
  for (const { row } of segmentFormat(options.format).findUnencodable(projected, options.formatOptions, kind)) bad.add(row)
  if (bad.size === 0) return { fit: projected, unfit: sliceBatch(batch, 0, 0) }
  const rows = (isBad: boolean) =>
    Int32Array.from(Array.from({ length: batch.count }, (_, row) => row).filter((row) => bad.has(row) === isBad))
  return { fit: selectRows(projected, rows(false)), unfit: selectRows(batch, rows(true)) }
}
