import type { ReplayCounts, ReplayFailure, ReplaySummary } from './job.ts'
import { addCounts } from './job.ts'
import type { JobStore, Lease, PartOutcome, Wanted } from './jobs.ts'
import type { ReplayPart } from './part.ts'
import { addRefused } from './refused.ts'

/** What one step did to a part. */
export interface PartStep {
  readonly nextPosition: number
  readonly counts: ReplayCounts
  readonly failures: readonly ReplayFailure[]
  readonly done?: boolean
}

/** Keeps the progress of the parts of a job that a worker holds, and stores it from time to time, all of them at once. */
export interface Recorder {
  /** Of the job, as far as is known here. */
  readonly counts: ReplayCounts
  readonly partsDone: number
  /** How many parts are held. */
  readonly held: number
  add(part: ReplayPart): void
  /** Takes a step of a part that is held. What it tells must be durable at the target already. */
  step(place: number, step: PartStep): void
  part(place: number): ReplayPart
  /** Bytes dealt with since progress was last stored. */
  readonly unstoredBytes: number
  /** Says that the target is open, and stores: before the first delivery. */
  begin(): Promise<Wanted>
  /** Stores what is new, or renews all leases; says what is wanted, and tells `onLost` of parts that are held no more. One call at a time goes on. */
  store(): Promise<Wanted>
  /** Gives a part back as it is. False where it was lost before. */
  release(place: number, outcome: PartOutcome): Promise<boolean>
}

interface RecorderParts {
  readonly jobs: JobStore
  readonly lease: () => Lease
  readonly onLost: (place: number) => void
}

/** A recorder for a job of which no part is held yet. */
export function createRecorder(job: ReplaySummary, { jobs, lease, onLost }: RecorderParts): Recorder {
  const parts = new Map<number, ReplayPart>()
  let { counts, partsDone } = job
  let failures: ReplayFailure[] = []
  let unstoredBytes = 0
  let isOpening = true
  let writing: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const acted = writing.then(act)
    writing = acted.catch(() => undefined)
    return acted
  }
  const storeNow = async (): Promise<Wanted> => {
    const [sent, told] = [[...parts.values()], failures]
    const bytes = unstoredBytes
    failures = []
    unstoredBytes = 0
    try {
      const { wanted, held } = await jobs.progress(lease(), { job: job.id, parts: sent, failures: told, isOpening })
      const versions = new Map(held.map(({ part, version }) => [part, version]))
      for (const { part: place } of sent) {
        const [part, version] = [parts.get(place), versions.get(place)]
        if (part !== undefined && version !== undefined) parts.set(place, { ...part, version })
        else if (parts.delete(place)) onLost(place)
      }
      return wanted
    } catch (error) {
      // What was not stored is still to be.
      failures = [...told, ...failures]
      unstoredBytes += bytes
      throw error
    }
  }
  return {
    get counts() {
      return counts
    },
    get partsDone() {
      return partsDone
    },
    get held() {
      return parts.size
    },
    get unstoredBytes() {
      return unstoredBytes
    },
    add: (part) => parts.set(part.part, part),
    part: (place) => parts.get(place)!,
    step(place, { nextPosition, counts: more, failures: refused, done = false }) {
      const part = parts.get(place)
      if (part === undefined) return
      const moved = { ...part, nextPosition, counts: addCounts(part.counts, more) }
      const isClean = part.refused === undefined && refused.length === 0
      const told = { from: part.nextPosition, to: nextPosition, counts: more, refused: refused.map(({ position }) => position) }
      parts.set(place, isClean ? moved : { ...moved, refused: addRefused(part.refused, told) })
      counts = addCounts(counts, more)
      if (done) partsDone++
      unstoredBytes += more.bytes
      failures.push(...refused)
    },
    begin() {
      isOpening = false
      return inTurn(storeNow)
    },
    store: () => inTurn(storeNow),
    release: (place, outcome) =>
      inTurn(async () => {
        const part = parts.get(place)
        if (part === undefined) return false
        const told = failures
        failures = []
        const isReleased = await jobs.release(lease(), part, outcome, told)
        parts.delete(place)
        return isReleased
      }),
  }
}
