import { type ErrorCode, isMillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { ObjectCount } from './collect-replaced.ts'
import type { RemovalNote } from './removals.ts'
import { NO_REWRITES, type RewriteHead } from './rewrites.ts'

/** Problems of one lane that are listed; those beyond are counted. */
export const MAX_LISTED_PROBLEMS = 1000

/** One thing that is wrong with an archive, and the object that shows it. */
export interface VerifyProblem {
  readonly code: ErrorCode
  /** `orders/3`, or the lane's folder where its genesis commit cannot be read. */
  readonly lane: string
  /** Key of the commit or data object. */
  readonly key: string
  readonly position?: number
  readonly message: string
}

/** How a lane compares with what its source still has. */
export interface SourceComparison {
  /** Positions that were compared: from `from` to before `to`. */
  readonly from: number
  readonly to: number
  /** Messages that were the same or not. */
  readonly compared: number
  /** Messages of the archive that the source did not give any more, as after compaction; no problem. */
  readonly onlyInArchive: number
  /** Messages of the source whose positions lie in segments that do not keep all: they cannot be compared. */
  readonly notCompared: number
}

/** What was found of one lane. */
export interface LaneVerdict {
  /** Undefined where its genesis commit cannot be read. */
  readonly lane: LaneId | undefined
  readonly folder: string
  readonly firstPosition: number
  readonly nextPosition: number
  /** SHA-256 (hex) of the newest commit: noted elsewhere, it proves later that no commit before was removed. */
  readonly headSha256: string
  readonly commits: number
  readonly segments: number
  /** Messages and bytes of segments that were read and checked. */
  readonly messages: number
  readonly bytes: number
  readonly missing: number
  readonly deadLettered: number
  /** Objects in the lane's data folder that no commit names: left by a crash, or still to be committed. No problem. */
  readonly unnamed: ObjectCount
  /** How often its commits were rewritten, and the SHA-256 (hex) of the newest rewrite. */
  readonly rewrites: number
  readonly rewriteSha256: string
  /** Records of messages that were removed since, oldest first, and how many that were: they are no problem. */
  readonly removals: readonly RemovalNote[]
  readonly removed: number
  /** Objects in the lane's data folder that rewrites have replaced and that are still there; they are not looked into. */
  readonly replaced: ObjectCount
  readonly source: SourceComparison | undefined
  /** All of them, also those that are not listed. */
  readonly problems: number
}

/** The outcome of a verification. */
export interface VerifyReport {
  readonly clean: boolean
  readonly lanes: readonly LaneVerdict[]
  /** By lane, at most 1,000 of each. */
  readonly problems: readonly VerifyProblem[]
  readonly problemCount: number
  readonly commits: number
  readonly segments: number
  readonly messages: number
  readonly bytes: number
  readonly missing: number
  readonly deadLettered: number
  readonly unnamed: ObjectCount
  readonly rewrites: number
  /** Messages that were removed since, by records that say so. */
  readonly removed: number
  readonly replaced: ObjectCount
  /** Messages compared with the source. */
  readonly compared: number
  /** Messages of the source whose segments do not keep all of them. */
  readonly notCompared: number
}

/** How far a verification is. */
export interface VerifyProgress {
  readonly lanesDone: number
  readonly lanesTotal: number
  readonly commits: number
  readonly segments: number
  readonly messages: number
  readonly bytes: number
}

/** What is noted of one lane while it is checked. A class: its counts change with every block. */
export class LaneNotes {
  lane: LaneId | undefined
  firstPosition = 0
  nextPosition = 0
  headSha256 = ''
  commits = 0
  segments = 0
  messages = 0
  bytes = 0
  missing = 0
  deadLettered = 0
  unnamed: ObjectCount = { objects: 0, bytes: 0 }
  rewrites: RewriteHead = NO_REWRITES
  removals: RemovalNote[] = []
  replaced: ObjectCount = { objects: 0, bytes: 0 }
  source: SourceComparison | undefined
  problemCount = 0
  readonly problems: VerifyProblem[] = []
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  note(code: ErrorCode, key: string, message: string, position?: number): void {
    this.problemCount++
    if (this.problems.length >= MAX_LISTED_PROBLEMS) return
    const lane = this.lane ? laneName(this.lane) : this.folder
    this.problems.push({ code, lane, key, message, ...(position === undefined ? {} : { position }) })
  }

  /** Notes an error that tells of damage; throws what tells of a store or source that cannot be used, or of a stop. */
  noteError(error: unknown, key: string, position?: number): void {
    if (!isMillpondError(error) || error.retryable || error.exitCode === UNUSABLE_EXIT_CODE) throw error
    this.note(error.code, key, error.message, position)
  }

  get verdict(): LaneVerdict {
    const { lane, folder, firstPosition, nextPosition, headSha256, commits, segments, messages, bytes, missing, deadLettered } =
      this
    const { unnamed, replaced, source, problemCount: problems } = this
    const counts = { commits, segments, messages, bytes, missing, deadLettered, unnamed, replaced }
    const removed = { removals: this.removals, removed: removedBy(this) }
    const rewritten = { rewrites: this.rewrites.count, rewriteSha256: this.rewrites.sha256, ...removed }
    return { lane, folder, firstPosition, nextPosition, headSha256, ...counts, ...rewritten, source, problems }
  }
}

const removedBy = ({ removals }: LaneNotes): number => removals.reduce((sum, { messages }) => sum + messages, 0)

/** What `errors.ts` gives where a store, log or index cannot be used. */
const UNUSABLE_EXIT_CODE = 6

/** The report of these lanes. */
export function reportOf(lanes: readonly LaneNotes[]): VerifyReport {
  const sum = (count: (notes: LaneNotes) => number) => lanes.reduce((total, notes) => total + count(notes), 0)
  const problemCount = sum((notes) => notes.problemCount)
  return {
    clean: problemCount === 0,
    lanes: lanes.map(({ verdict }) => verdict),
    problems: lanes.flatMap(({ problems }) => problems),
    problemCount,
    commits: sum(({ commits }) => commits),
    segments: sum(({ segments }) => segments),
    messages: sum(({ messages }) => messages),
    bytes: sum(({ bytes }) => bytes),
    missing: sum(({ missing }) => missing),
    deadLettered: sum(({ deadLettered }) => deadLettered),
    unnamed: { objects: sum(({ unnamed }) => unnamed.objects), bytes: sum(({ unnamed }) => unnamed.bytes) },
    rewrites: sum(({ rewrites }) => rewrites.count),
    removed: sum(removedBy),
    replaced: { objects: sum(({ replaced }) => replaced.objects), bytes: sum(({ replaced }) => replaced.bytes) },
    compared: sum(({ source }) => source?.compared ?? 0),
    notCompared: sum(({ source }) => source?.notCompared ?? 0),
  }
}
