import { MillpondError } from '../errors.ts'
import { currentSnapshot, findSnapshot, type TableMetadata } from './metadata.ts'

/** A number for each chain, by its folder. */
export type ChainNumbers = Readonly<Record<string, number>>

/** What a table holds of the chains of its topic. */
export interface Held {
  /** Up to where: the next position. */
  readonly positions: ChainNumbers
  /** With how many of its rewrites; those that are left out have none. */
  readonly rewrites: ChainNumbers
}

export const NOTHING_HELD: Held = { positions: {}, rewrites: {} }

/** The names of what a snapshot's summary, and the table's properties, say of it. */
export const POSITIONS = 'millpond.positions'
const REWRITES = 'millpond.rewrites'

/**
 * What the table holds: what the newest of its snapshots that says it says. Snapshots of other engines say nothing, and what ours said may be
 * expired; the properties have it then. So a table that is set back to an older snapshot is filled again from there.
 * @throws MillpondError `TABLE_CORRUPT`.
 */
export function heldBy(metadata: TableMetadata): Held {
  for (let snapshot = currentSnapshot(metadata); snapshot !== undefined;) {
    if (snapshot.summary[POSITIONS] !== undefined) return parseHeld(snapshot.summary, metadata.location)
    const parent = snapshot['parent-snapshot-id']
    if (parent === undefined) return NOTHING_HELD
    snapshot = findSnapshot(metadata.snapshots, parent)
  }
  return currentSnapshot(metadata) === undefined ? NOTHING_HELD : parseHeld(metadata.properties, metadata.location)
}

/** The texts of what a table holds; the same for the same. */
export const writeHeld = ({ positions, rewrites }: Held): Readonly<Record<string, string>> => ({
  [POSITIONS]: writeNumbers(positions),
  ...(Object.keys(rewrites).length === 0 ? {} : { [REWRITES]: writeNumbers(rewrites) }),
})

const writeNumbers = (numbers: ChainNumbers): string =>
  JSON.stringify(Object.fromEntries(Object.entries(numbers).sort(([left], [right]) => (left < right ? -1 : 1))))

/** Whether both say the same. */
export const isSameHeld = (left: Held, right: Held): boolean =>
  JSON.stringify(writeHeld(left)) === JSON.stringify(writeHeld(right))

function parseHeld(said: Readonly<Record<string, string>>, location: string): Held {
  return { positions: parseNumbers(said, POSITIONS, location), rewrites: parseNumbers(said, REWRITES, location) }
}

function parseNumbers(said: Readonly<Record<string, string>>, name: string, location: string): ChainNumbers {
  const text = said[name]
  if (text === undefined) return {}
  const corrupt = () => new MillpondError('TABLE_CORRUPT', `the table ${location} has ${name} that cannot be read`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw corrupt()
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt()
  if (!Object.values(value).every((position) => Number.isSafeInteger(position))) throw corrupt()
  return value as ChainNumbers
}
