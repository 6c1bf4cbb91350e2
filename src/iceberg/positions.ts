import { MillpondError } from '../errors.ts'
import { currentSnapshot, findSnapshot, type TableMetadata } from './metadata.ts'

/** Up to where a table holds each chain: the next position, by the chain's folder. */
export type Positions = Readonly<Record<string, number>>

/** The name of what a snapshot's summary, and the table's properties, say of positions. */
export const POSITIONS = 'millpond.positions'

/**
 * What the table holds: what the newest of its snapshots that says it says. Snapshots of other engines say nothing, and what ours said may be
 * expired; the properties have it then. So a table that is set back to an older snapshot is filled again from there.
 * @throws MillpondError `TABLE_CORRUPT`.
 */
export function positionsOf(metadata: TableMetadata): Positions {
  for (let snapshot = currentSnapshot(metadata); snapshot !== undefined;) {
    const said = snapshot.summary[POSITIONS]
    if (said !== undefined) return parsePositions(said, metadata.location)
    const parent = snapshot['parent-snapshot-id']
    if (parent === undefined) return {}
    snapshot = findSnapshot(metadata.snapshots, parent)
  }
  const said = currentSnapshot(metadata) === undefined ? undefined : metadata.properties[POSITIONS]
  return said === undefined ? {} : parsePositions(said, metadata.location)
}

/** The text of positions; the same for the same positions. */
export const writePositions = (positions: Positions): string =>
  JSON.stringify(Object.fromEntries(Object.entries(positions).sort(([left], [right]) => (left < right ? -1 : 1))))

/** Whether both say the same. */
export const isSamePositions = (left: Positions, right: Positions): boolean => writePositions(left) === writePositions(right)

function parsePositions(text: string, location: string): Positions {
  const corrupt = () => new MillpondError('TABLE_CORRUPT', `the table ${location} has ${POSITIONS} that cannot be read`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw corrupt()
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt()
  if (!Object.values(value).every((position) => Number.isSafeInteger(position))) throw corrupt()
  return value as Positions
}
