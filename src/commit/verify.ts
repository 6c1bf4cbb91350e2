import type { Source } from '../source/source.ts'
import type { ListedObject, Store } from '../store/store.ts'
import { chainFolders } from './chain.ts'
import type { ObjectCount } from './collect-replaced.ts'
import type { StoredCommit } from './commit.ts'
import { decodeCommit } from './commit-codec.ts'
import { genesisKey, isLaneFolder, laneFolder, remadeLaneFolder } from './commit-names.ts'
import { commitKeys, linkFault } from './commit-objects.ts'
import { coverageFaults, PositionRuns } from './coverage.ts'
import { LaneNotes, reportOf, type VerifyProgress, type VerifyReport } from './verify-report.ts'
import { accountFault, checkRewrites, type Rewritten } from './verify-rewrites.ts'
import { verifySegment } from './verify-segment.ts'
import { compareWithSource } from './verify-source.ts'

/** Lanes, and segments of each, that are checked at once: one is read while another is decoded. */
const AT_ONCE = 2

export interface VerifyOptions {
  readonly topic?: string
  readonly lane?: string
  /** Compares every lane with what this source still has. */
  readonly against?: Pick<Source, 'range' | 'read'>
  /** Reads one block of each segment only; commits, and the size of every segment, are checked all the same. */
  readonly sampleOnly?: boolean
}

export interface VerifyHooks {
  readonly onProgress?: (progress: VerifyProgress) => void
  readonly signal?: AbortSignal
}

/** One verification. */
interface Verification {
  readonly store: Store
  readonly options: VerifyOptions
  readonly signal: AbortSignal | undefined
  readonly onBlock: () => void
}

/**
 * Checks that the archive is what was written: each chain is whole, each position is covered once, each byte of each segment has
 * its hash, and what commits say of blocks and look-ups is true. It never stops at the first problem.
 * @throws MillpondError where the store or the source cannot be used; what is wrong with the archive is in the report.
 */
export async function verifyArchive(
  store: Store,
  options: VerifyOptions = {},
  { onProgress, signal }: VerifyHooks = {},
): Promise<VerifyReport> {
  const folders = await Array.fromAsync(chainFolders(store, options.topic, signal))
  const wanted = folders.filter((folder) => options.lane === undefined || isLaneFolder(folder, options.lane))
  const lanes = wanted.map((folder) => new LaneNotes(folder))
  const progress = createProgress(lanes.length, onProgress)
  const verification: Verification = { store, options, signal, onBlock: progress.tell }
  const waiting = lanes.values()
  const work = async () => {
    for (const notes of waiting) {
      progress.begin(notes)
      await verifyLane(verification, notes)
      progress.end(notes)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  // Folders without any commit are no lanes.
  return reportOf(lanes.filter(({ problemCount, commits }) => commits > 0 || problemCount > 0))
}

/** Adds up what lanes that are done and lanes at work have read: there may be thousands, and it is told after every block. */
function createProgress(lanesTotal: number, onProgress: ((progress: VerifyProgress) => void) | undefined) {
  const done = { lanesDone: 0, lanesTotal, commits: 0, segments: 0, messages: 0, bytes: 0 }
  const working = new Set<LaneNotes>()
  const add = (sum: typeof done, { commits, segments, messages, bytes }: LaneNotes) => {
    sum.commits += commits
    sum.segments += segments
    sum.messages += messages
    sum.bytes += bytes
  }
  const tell = () => {
    const sum = { ...done }
    for (const notes of working) add(sum, notes)
    onProgress?.(sum)
  }
  return {
    tell,
    begin: (notes: LaneNotes) => working.add(notes),
    end(notes: LaneNotes): void {
      working.delete(notes)
      add(done, notes)
      done.lanesDone++
      tell()
    },
  }
}

async function verifyLane(verification: Verification, notes: LaneNotes): Promise<void> {
  const { store, options, signal } = verification
  // First the objects, then what names them: what is committed meanwhile is named by then, and what a rewrite replaces is there.
  const objects = new Map<string, ListedObject>()
  for await (const object of store.list(`${notes.folder}/`, {}, signal)) objects.set(object.key, object)
  const rewrites = await checkRewrites(store, notes, signal)
  const keys = (await Array.fromAsync(commitKeys(store, notes.folder, signal))).reverse()
  if (keys.length === 0) return
  if (keys[0] !== genesisKey(notes.folder))
    notes.note('CHAIN_BROKEN', genesisKey(notes.folder), 'the commit that begins the chain is missing')

  const checks: Promise<void>[] = []
  const checkLater = async (read: CommitRead) => {
    const check = verifyCommit(verification, notes, { ...read, objects })
    // Awaited below; without this an error while another is awaited would end the process.
    check.catch(() => undefined)
    checks.push(check)
    if (checks.length >= AT_ONCE) await checks.shift()
  }
  const named = new Set(rewrites.named)
  let before: StoredCommit | undefined
  for (const key of keys) {
    const read = await readCommit(verification, notes, key)
    if (read === undefined) {
      before = undefined
      continue
    }
    const { commit, object } = read
    noteLink(notes, before, commit)
    noteNames(notes, commit, named)
    before = commit
    const { isReplaced, rewrite } = rewrites.of(commit)
    if (!isReplaced) await checkLater({ commit, object })
    const rewritten = rewrite && (await readRewritten(verification, notes, rewrite))
    if (rewritten !== undefined) await checkLater(rewritten)
  }
  rewrites.end()
  await Promise.all(checks)
  notes.unnamed = countOf(objects, (key) => !named.has(key))
  notes.replaced = countOf(objects, (key) => rewrites.replaced.has(key))
  if (options.against !== undefined && notes.lane !== undefined)
    await compareWithSource({ store, source: options.against, notes, signal })
}

function countOf(objects: ReadonlyMap<string, ListedObject>, isCounted: (key: string) => boolean): ObjectCount {
  const count = { objects: 0, bytes: 0 }
  for (const { key, bytes } of objects.values()) {
    if (!isCounted(key)) continue
    count.objects += 1
    count.bytes += bytes
  }
  return count
}

/** Takes note of the objects that a commit names, and of those that another has named before. */
function noteNames(notes: LaneNotes, { key, segments }: StoredCommit, named: Set<string>): void {
  for (const segment of segments) {
    if (named.has(segment.key))
      notes.note('CHAIN_BROKEN', key, `segment ${segment.key} is named by an earlier commit too`, segment.firstPosition)
    named.add(segment.key)
    for (const sibling of segment.siblings) named.add(sibling.key)
  }
}

interface CommitRead {
  readonly commit: StoredCommit
  readonly object: Uint8Array
}

async function readCommit({ store, signal }: Verification, notes: LaneNotes, key: string): Promise<CommitRead | undefined> {
  try {
    const object = await store.read(key, undefined, signal)
    return { commit: decodeCommit(key, object), object }
  } catch (error) {
    notes.noteError(error, key)
    return undefined
  }
}

/** A rewrite in the place of its commits, as far as it accounts for as much. */
async function readRewritten(
  verification: Verification,
  notes: LaneNotes,
  rewritten: Rewritten,
): Promise<CommitRead | undefined> {
  const { link } = rewritten
  const read = await readCommit(verification, notes, link.key)
  const fault = read && accountFault(read.commit, rewritten)
  if (fault !== undefined) notes.note('CHAIN_BROKEN', link.key, fault, link.firstPosition)
  return read
}

/** Notes what the commit says of its lane, and whether it follows the one before, where that could be read. */
function noteLink(notes: LaneNotes, before: StoredCommit | undefined, commit: StoredCommit): void {
  const { topic, topicId, lane } = commit
  if (commit.kind === 'genesis') {
    notes.lane = { topic, topicId, lane }
    notes.firstPosition = commit.firstPosition
    if (notes.folder !== laneFolder(commit) && notes.folder !== remadeLaneFolder(commit)) {
      notes.note('CHAIN_BROKEN', commit.key, `it begins the chain of ${topic}/${lane}, which does not lie here`)
    }
  } else if (before !== undefined) {
    const fault = linkFault(before, commit, notes.lane ?? before)
    if (fault !== undefined) notes.note('CHAIN_BROKEN', commit.key, fault, commit.firstPosition)
  }
  notes.commits++
  notes.nextPosition = commit.nextPosition
  notes.headSha256 = commit.sha256
  notes.deadLettered += commit.deadLetters.length
  notes.missing += commit.gaps.reduce((sum, gap) => sum + gap.missing, 0)
}

/** Checks the segments of a commit one after the other, and then that together they cover its positions. */
async function verifyCommit(
  { store, options, signal, onBlock }: Verification,
  notes: LaneNotes,
  { commit, object, objects }: CommitRead & { readonly objects: ReadonlyMap<string, ListedObject> },
): Promise<void> {
  const held = new PositionRuns()
  const sampleOnly = options.sampleOnly === true
  const lookupBytes = object.subarray(commit.lookupStart, commit.lookupStart + commit.lookupBytes)
  let isRead = true
  for (const segment of commit.segments) {
    const check = {
      store,
      segment,
      commitKey: commit.key,
      lookupBytes,
      listedBytes: objects.get(segment.key)?.bytes,
      sampleOnly,
      onBlock,
    }
    isRead = (await verifySegment(check, notes, held, signal)) && isRead
  }
  // What could not be read is noted already; that its positions are not there follows from it.
  if (!isRead || sampleOnly || commit.kind === 'genesis') return
  // Where positions are known by their number alone, that the sums are right was seen when the commit was read.
  if (!held.isExact) return
  for (const { position, message } of coverageFaults(commit, held)) notes.note('POSITION_INVALID', commit.key, message, position)
}
