import type { BlockEntry, SegmentEntry } from '../encode/segment.ts'

/** Segments that can be committed, and the position after what they cover. */
export interface PlacedRun {
  readonly entries: readonly SegmentEntry[]
  readonly nextPosition: number
}

/**
 * Where objects lie that tell only the position of their first message. `nextStart` is the first position of the object that follows them all, if
 * any is known.
 *
 * Objects that follow one another end before the next begins: what is between their messages and the next object is missing (a broker goes
 * over positions too, for transactions and compaction). Objects that a lane is dealt out to lie among each other: as soon as all of a run
 * together have as many messages as there are positions before the next object, the run is closed, and each of its objects ends within it.
 * A lane with missing positions does not come to that, and is one run to its end. So the last position of such an object is a bound, and not more.
 */
export function placeRuns(entries: readonly SegmentEntry[], isDealt: boolean): PlacedRun[] {
  const runs: PlacedRun[] = []
  let open: SegmentEntry[] = []
  let count = 0
  for (const [at, entry] of entries.entries()) {
    open.push(entry)
    count += entry.count
    const start = open[0]!.firstPosition
    const next = entries[at + 1]?.firstPosition
    if (next !== undefined && isDealt && next !== start + count) continue
    const ends = open.map(({ firstPosition, count: own }) => firstPosition + own)
    const nextPosition = next ?? Math.max(start + count, ...ends)
    runs.push({
      entries: open.map((one) => endingBefore(one, isDealt ? nextPosition : (next ?? one.lastPosition + 1))),
      nextPosition,
    })
    open = []
    count = 0
  }
  return runs
}

/** The same with a last position that is no fact but a bound. */
function endingBefore(entry: SegmentEntry, nextPosition: number): SegmentEntry {
  const lastPosition = nextPosition - 1
  const last = entry.blocks.at(-1)
  if (last === undefined || lastPosition <= entry.lastPosition) return entry
  const blocks: BlockEntry[] = [...entry.blocks.slice(0, -1), { ...last, lastPosition }]
  return { ...entry, lastPosition, blocks }
}
