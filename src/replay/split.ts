import type { LaneId } from '../source/lane.ts'
import type { ReplayOptions } from './job.ts'
import { NO_COUNTS } from './job.ts'
import type { ReplayPart } from './part.ts'

/** What of a lane is to be sent. */
export interface Range {
  readonly lane: LaneId
  readonly fromPosition: number
  readonly toPosition: number
}

/** Where a segment of a lane begins, and how much of it is to be read. */
export interface SegmentStart {
  readonly position: number
  readonly bytes: number
}

/** Parts of a lane, at the most. Each shard of keys reads the whole lane. */
export const MAX_SPLIT = 256
const DEFAULT_SPLIT = 4

/** A part as it is made. */
export const newPart = (job: string, part: number, range: Range, fields: Partial<ReplayPart> = {}): ReplayPart => ({
  job,
  part,
  ...range,
  shard: null,
  only: null,
  share: null,
  after: [],
  nextPosition: range.fromPosition,
  counts: NO_COUNTS,
  state: 'open',
  owner: null,
  leaseUntilMs: null,
  attempts: 0,
  notBeforeMs: null,
  error: null,
  version: 0,
  ...fields,
})

/**
 * The parts of a job: a lane each where lanes keep their order; as many shards of keys; or ranges that begin where segments do and hold
 * about as many bytes each. Lanes of one name go one after the other: a topic that was made again follows the one that was deleted.
 */
export function splitLanes(
  job: string,
  lanes: readonly Range[],
  { order = 'lane', split = DEFAULT_SPLIT, dryRun }: ReplayOptions,
  starts: readonly (readonly SegmentStart[])[],
): ReplayPart[] {
  const parts: ReplayPart[] = []
  const ofName = new Map<string, number[]>()
  for (const [at, range] of lanes.entries()) {
    const name = JSON.stringify([range.lane.topic, range.lane.lane])
    const after = ofName.get(name) ?? []
    const add = (of: Range, fields: Partial<ReplayPart>) => parts.push(newPart(job, parts.length, of, { after, ...fields }))
    const first = parts.length
    if (order === 'lane' || split === 1 || dryRun) add(range, {})
    else if (order === 'key') {
      for (let index = 0; index < split; index++) {
        add(range, { shard: { index, count: split }, share: `key ${index}/${split}` })
      }
    } else {
      const ranges = cutRange(range, starts[at]!, split)
      for (const cut of ranges) add(cut, ranges.length === 1 ? {} : { share: `from ${cut.fromPosition}` })
    }
    ofName.set(name, [...after, ...parts.slice(first).map(({ part }) => part)])
  }
  return parts
}

/** Cuts where segments begin, so that no segment is read by two. */
function cutRange(range: Range, starts: readonly SegmentStart[], split: number): Range[] {
  const bytes = starts.reduce((sum, start) => sum + start.bytes, 0)
  const cuts: number[] = []
  let before = 0
  for (const start of starts) {
    const isInside = start.position > range.fromPosition && start.position < range.toPosition
    if (isInside && before >= ((cuts.length + 1) * bytes) / split) cuts.push(start.position)
    before += start.bytes
  }
  const bounds = [range.fromPosition, ...cuts, range.toPosition]
  return bounds.slice(1).map((toPosition, i) => ({ lane: range.lane, fromPosition: bounds[i]!, toPosition }))
}
