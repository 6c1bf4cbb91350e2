import type { Chain } from '../commit/chain.ts'
import { clockNoteKey } from '../commit/commit-names.ts'
import { isMillpondError, MillpondError } from '../errors.ts'
import type { Layout } from '../layout/layout.ts'
import { laneName } from '../source/lane.ts'
import type { LaneRun } from './lane-run.ts'
import { nameTaken } from './takeover.ts'

/** What is written down of a commit before any of its objects can be seen. */
interface ClockNote {
  /** The moment of the wall clock that the names of all its objects are made of, ms. */
  readonly timeMs: number
  /** Where the commit ends. */
  readonly nextPosition: number
}

/**
 * The wall clock, as names of objects may be made of it. Where a layout fixes names and makes them of the clock, all messages of a commit have one
 * moment, and a note says which, and which messages those are, before any object of the commit can be seen: whoever comes after a crash makes the same.
 */
export interface CommitClock {
  /** Whether names hang on it: then no object may be seen before `fix`. */
  readonly isUsed: boolean
  /** Where the commit has to end, as a note says that was there; Infinity where nothing is fixed. */
  readonly endPosition: number
  /** The moment that names are made of, ms. */
  nowMs(): number
  /** Whether paths would say another moment by now, so that messages to come belong to another commit. */
  isOver(): boolean
  /**
   * Fixes the moment, and where the commit ends.
   * @throws MillpondError `COMMIT_LOST_RACE` where another writer was first: it is to be done as its note says.
   */
  fix(nextPosition: number): Promise<void>
  /** The commit is made. */
  next(): void
}

/**
 * The clock of a lane's commits, from the chain's end on.
 * @throws MillpondError `COMMIT_LOST_RACE` where the chain has passed what it would be for; `NAME_TAKEN` for a note that cannot be read.
 */
export async function openCommitClock(run: LaneRun, { clockText, isUnique }: Layout, chain: Chain): Promise<CommitClock> {
  const { parts } = run
  if (clockText === undefined || isUnique) return freeClock(parts.nowMs)
  let note = await readNote(run, chain)
  // A note behind the chain's end may be that of one who slept, and not the one that its commit was made by.
  if (note !== undefined) await mustLead(run, chain)
  let timeMs = note?.timeMs
  return {
    isUsed: true,
    get endPosition() {
      return note?.nextPosition ?? Infinity
    },
    nowMs: () => (timeMs ??= parts.nowMs()),
    isOver: () => note === undefined && timeMs !== undefined && clockText(timeMs) !== clockText(parts.nowMs()),
    async fix(nextPosition) {
      if (note !== undefined) return
      const ours: ClockNote = { timeMs: (timeMs ??= parts.nowMs()), nextPosition }
      await putNote(run, chain, ours)
      // Notes that the chain has passed are removed: where there was none the chain tells whether another commit was made.
      await mustLead(run, chain)
    },
    next() {
      note = undefined
      timeMs = undefined
    },
  }
}

const freeClock = (nowMs: () => number): CommitClock => ({
  isUsed: false,
  endPosition: Infinity,
  nowMs,
  isOver: () => false,
  fix: async () => undefined,
  next: () => undefined,
})

const lost = ({ lane }: LaneRun) =>
  new MillpondError('COMMIT_LOST_RACE', `${laneName(lane)}: another writer was first to name the objects of its next commit`)

async function mustLead(run: LaneRun, chain: Chain): Promise<void> {
  if (await chain.catchUp()) throw lost(run)
}

async function putNote(run: LaneRun, chain: Chain, note: ClockNote): Promise<void> {
  const { store } = run.parts
  const bytes = Buffer.from(`${JSON.stringify({ ...note, writer: run.writer })}\n`)
  if ((await store.putIfAbsent(clockNoteKey(chain.folder, chain.nextPosition), bytes)) === 'created') return
  const found = await readNote(run, chain)
  if (found?.timeMs !== note.timeMs || found.nextPosition !== note.nextPosition) throw lost(run)
}

async function readNote(
  { parts: { store } }: LaneRun,
  { folder, nextPosition: position }: Chain,
): Promise<ClockNote | undefined> {
  const key = clockNoteKey(folder, position)
  let text: string
  try {
    text = Buffer.from(await store.read(key)).toString()
  } catch (error) {
    if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
  const { timeMs, nextPosition } = parsed(text)
  if (!Number.isSafeInteger(timeMs) || !Number.isSafeInteger(nextPosition) || nextPosition <= position)
    throw nameTaken(key, 'it is no note of the wall clock')
  return { timeMs, nextPosition }
}

function parsed(text: string): ClockNote {
  const none = { timeMs: Number.NaN, nextPosition: Number.NaN }
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...none, ...value } : none
  } catch {
    return none
  }
}
