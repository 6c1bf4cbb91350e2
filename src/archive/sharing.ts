import { isMillpondError } from '../errors.ts'
import { type Compatibility, createValueProjection, type ProjectValues } from '../values/projection.ts'
import type { ValueKind } from '../values/values.ts'

/** What is remembered of a lane whose objects take values of several schemas. */
export interface Sharing {
  readonly compatibility: Compatibility
  /** The object that others share, by path and subject; it counts while it is open. */
  readonly objectOf: Map<string, string>
  /** How values of one kind become values of another; undefined where they cannot. By the ids of both. */
  readonly projections: Map<string, ProjectValues | undefined>
}

/** Undefined where each schema has objects of its own. */
export const createSharing = (compatibility: Compatibility = 'none'): Sharing | undefined =>
  compatibility === 'none' ? undefined : { compatibility, objectOf: new Map(), projections: new Map() }

/** How values of the one kind become values of the other; undefined where they cannot, whatever they hold. */
export function projectionTo({ projections }: Sharing, from: ValueKind, to: ValueKind): ProjectValues | undefined {
  const id = `${from.id} ${to.id}`
  if (!projections.has(id)) projections.set(id, projectionOrNone(from, to))
  return projections.get(id)
}

function projectionOrNone(from: ValueKind, to: ValueKind): ProjectValues | undefined {
  try {
    return createValueProjection(from, to)
  } catch (error) {
    if (!isMillpondError(error, 'SCHEMA_INVALID')) throw error
    return undefined
  }
}
