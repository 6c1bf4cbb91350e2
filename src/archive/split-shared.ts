/**
 * Values of several schemas in one object. The object of a path has the schema of its first message. What comes after it is written as that schema says
 * where the mode has it so; a message that has to have an object of its own has the next ones go there too. So an object that begins with some
 * message holds what the messages from there on say and nothing else, whoever writes it: a writer that goes on behind another finds what it would write.
 */
import { type MessageBatch, selectRows, sliceBatch } from '../batch/batch.ts'
import { segmentFormat } from '../encode/formats.ts'
import { placeValue, type ProjectValues, versionFor } from '../values/projection.ts'
import type { ValueKind } from '../values/values.ts'
import type { OpenObject } from './open-object.ts'
import type { Group } from './router.ts'
import { projectionTo, type Sharing } from './sharing.ts'
import type { Filling } from './split-filling.ts'
import { objectId, place } from './split-place.ts'

/** Puts a group's messages, which follow one another in their path, into the object that others share, or into one of their own. */
export async function placeShared(filling: Filling, sharing: Sharing, group: Group): Promise<void> {
  let rest = group.batch
  while (rest.count > 0) {
    const target = targetOf(filling, sharing, group)
    const project = target && projectionTo(sharing, group.kind!, target.kind)
    if (target === undefined || project === undefined) return place(filling, { ...group, batch: rest })
    // An object that was left takes no more than it holds; who decides is then the next one.
    const count = Math.min(rest.count, target.object.roomCount)
    const { fit, unfit } = divide(filling, target.kind, project, sliceBatch(rest, 0, count))
    if (fit.count > 0) await place(filling, { path: group.path, kind: target.kind, batch: fit })
    if (unfit.count > 0) await place(filling, { ...group, batch: unfit })
    rest = sliceBatch(rest, count, rest.count)
  }
}

interface Target {
  readonly object: OpenObject
  readonly kind: ValueKind
}

/** The open object that takes the group's values written as it says; undefined where they go into one of their own kind. */
function targetOf(filling: Filling, { compatibility, objectOf }: Sharing, { path, kind }: Group): Target | undefined {
  const { topic } = filling.run.lane
  const version = kind && versionFor(topic, kind)
  if (version === undefined) return undefined
  const sharers = `${path.id}\n${version.subject}`
  const object = filling.open.get(objectOf.get(sharers) ?? '')
  const current = object?.place.kind
  if (object !== undefined && current !== undefined) {
    const placement = placeValue({ compatibility, topic }, current, kind!)
    if (placement === 'project') return { object, kind: current }
    if (placement === 'same') return undefined
  }
  objectOf.set(sharers, objectId(path, kind))
  return undefined
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
