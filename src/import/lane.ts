import { openAccount, type PositionAccount } from '../commit/account.ts'
import { findChains, openChain, readCommits } from '../commit/chain.ts'
import type { Chain } from '../commit/chain.ts'
import type { LookupField } from '../encode/block.ts'
import type { SegmentEntry, SiblingEntry } from '../encode/segment.ts'
import { MillpondError } from '../errors.ts'
import { type LaneId, laneName } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { type DescribedObject, describeObject, describeSibling } from './describe.ts'
import type { ImportObject, ImportRules, LaneObjects } from './objects.ts'
import { placeRuns } from './place.ts'

export interface ImportOptions {
  readonly rules: ImportRules
  /** The topic's identity, with which its chain begins. */
  readonly topicId: string
  readonly lookups: readonly LookupField[]
  /** Reads everything and commits nothing. */
  readonly dryRun: boolean
  readonly writer: string
  readonly now: () => number
  readonly signal: AbortSignal
  /** Told of each object that was read. */
  readonly onObject: (bytes: number, messages: number) => void
}

/** What became of a lane. */
export interface LaneImport extends LaneId {
  /** Objects that were committed, and those that were before. */
  readonly objects: number
  readonly known: number
  readonly messages: number
  readonly bytes: number
  /** Positions that no object holds. */
  readonly missing: number
  readonly commits: number
  /** Undefined where nothing was new. */
  readonly firstPosition: number | undefined
  readonly nextPosition: number | undefined
}

/** A commit has so many objects, or look-up bytes, at the most: what was committed is not read again after an interruption. */
const MAX_OBJECTS = 200
const MAX_LOOKUP_BYTES = 32 * 1024 * 1024
const MAX_COMMIT_READ_BYTES = 1024 * 1024 * 1024
/** An object is read as a whole. */
const MAX_OBJECT_BYTES = 2 ** 31 - 1

interface KnownChain {
  readonly keys: ReadonlySet<string>
  /** Undefined where there is no chain. */
  readonly nextPosition: number | undefined
}

/**
 * Makes commits over the objects of one lane, in their order; those that a commit of the lane names already are left alone, so that it can be
 * called again at any time.
 * @throws MillpondError `IMPORT_CONFLICT` where positions are in the archive already, or in two objects; what `describeObject` throws. Commits
 * that were made stay.
 */
export async function importLane(store: Store, found: LaneObjects, options: ImportOptions): Promise<LaneImport> {
  const lane = { topic: found.topic, topicId: options.topicId, lane: found.lane }
  const known = await knownChain(store, lane, options.signal)
  const siblings = Map.groupBy(
    found.objects.filter(({ siblingOf }) => siblingOf !== undefined),
    ({ siblingOf }) => siblingOf!.key,
  )
  const pending = found.objects.filter(({ key, siblingOf }) => siblingOf === undefined && !known.keys.has(key))
  const writing = createWriting(store, lane, known, options)
  const read = async (object: ImportObject, firstPosition: number): Promise<DescribedObject> => {
    const described = await readObject(store, object, firstPosition, options)
    const beside = await Promise.all(
      (siblings.get(object.key) ?? []).map((sibling) => readSibling(store, sibling, options.signal)),
    )
    return { ...described, entry: { ...described.entry, siblings: beside } }
  }
  if (options.rules.positions === 'named') await importNamed(pending, read, writing)
  else {
    for (const object of pending) {
      const { entry, lookupBytes } = await read(object, writing.nextPosition ?? 0)
      await writing.add([entry], entry.lastPosition + 1, lookupBytes)
    }
  }
  await writing.flush()
  return { ...lane, known: known.keys.size, ...writing.report() }
}

type ReadObject = (object: ImportObject, firstPosition: number) => Promise<DescribedObject>

/** Where names tell positions, those of an object are known when the next objects are. */
async function importNamed(pending: readonly ImportObject[], read: ReadObject, writing: Writing): Promise<void> {
  const entries: SegmentEntry[] = []
  for (const object of pending) entries.push((await read(object, object.order)).entry)
  const isDealt = pending.some((object) => object.isDealt)
  for (const run of placeRuns(entries, isDealt)) await writing.add(run.entries, run.nextPosition, NO_BYTES)
}

const NO_BYTES = new Uint8Array(0)

async function readObject(
  store: Store,
  object: ImportObject,
  firstPosition: number,
  { lookups, signal, onObject }: ImportOptions,
): Promise<DescribedObject> {
  signal.throwIfAborted()
  if (object.bytes > MAX_OBJECT_BYTES)
    throw new MillpondError('OBJECT_TOO_LARGE', `${object.key} has ${object.bytes} bytes; ${MAX_OBJECT_BYTES} can be imported`)
  const bytes = await store.read(object.key, undefined, signal)
  const described = await describeObject(object, bytes, { firstPosition, lookups })
  onObject(bytes.byteLength, described.entry.count)
  return described
}

async function readSibling(store: Store, object: ImportObject, signal: AbortSignal): Promise<SiblingEntry> {
  return describeSibling(object.key, object.siblingOf!.role, await store.read(object.key, undefined, signal))
}

/** What the archive has of the lane. @throws MillpondError `IMPORT_CONFLICT` where its topic is another of that name. */
async function knownChain(store: Store, lane: LaneId, signal: AbortSignal): Promise<KnownChain> {
  const keys = new Set<string>()
  let nextPosition: number | undefined
  for await (const chain of findChains(store, lane, signal)) {
    if (chain.lane.topicId !== lane.topicId) {
      const why = `the archive has a lane ${laneName(lane)} of a topic with the id ${chain.lane.topicId}; --topic-id says that it is the same`
      throw new MillpondError('IMPORT_CONFLICT', why, { details: { ...lane, known: chain.lane.topicId } })
    }
    for await (const commit of readCommits(store, chain.folder, {}, signal)) {
      nextPosition = commit.nextPosition
      for (const { key } of commit.segments) keys.add(key)
    }
  }
  return { keys, nextPosition }
}

/** The commits of one lane on their way. */
interface Writing {
  /** Where the next object has to begin; undefined where it may begin anywhere. */
  readonly nextPosition: number | undefined
  /** Takes segments that lie before `nextPosition` together; commits when there are enough. */
  add(entries: readonly SegmentEntry[], nextPosition: number, lookupBytes: Uint8Array): Promise<void>
  flush(): Promise<void>
  report(): Omit<LaneImport, keyof LaneId | 'known'>
}

function createWriting(store: Store, lane: LaneId, known: KnownChain, options: ImportOptions): Writing {
  let chain: Chain | undefined
  let account: PositionAccount | undefined
  let next = known.nextPosition
  let last = 'the commits that are there'
  let draft: { segments: SegmentEntry[]; lookups: Uint8Array[] } = { segments: [], lookups: [] }
  const sums = { objects: 0, messages: 0, bytes: 0, missing: 0, commits: 0 }
  let firstPosition: number | undefined

  const commit = async (): Promise<void> => {
    if (draft.segments.length === 0 || account === undefined || next === undefined) return
    const { gaps, deadLetters } = account.close(next)
    sums.missing += gaps.reduce((sum, { missing }) => sum + missing, 0)
    if (!options.dryRun) {
      const { writer, now, signal } = options
      chain ??= await openChain({ store, lane, startPosition: firstPosition!, writer, now }, signal)
      const lookupBytes = Buffer.concat(draft.lookups)
      const content = { nextPosition: next, segments: draft.segments, gaps, deadLetters, lookupBytes }
      const { outcome } = await chain.append(content, signal)
      if (outcome === 'lost') throw new MillpondError('IMPORT_CONFLICT', `another writer has committed to lane ${laneName(lane)}`)
      sums.commits++
    }
    draft = { segments: [], lookups: [] }
  }
  const take = (entry: SegmentEntry, lookupBytes: Uint8Array): void => {
    const offset = draft.lookups.reduce((sum, bytes) => sum + bytes.byteLength, 0)
    draft.segments.push({ ...entry, lookups: entry.lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + offset })) })
    draft.lookups.push(lookupBytes)
    sums.objects++
    sums.messages += entry.count
    sums.bytes += entry.bytes
  }
  const isFull = (): boolean =>
    draft.segments.length >= MAX_OBJECTS ||
    draft.lookups.reduce((sum, bytes) => sum + bytes.byteLength, 0) >= MAX_LOOKUP_BYTES ||
    draft.segments.reduce((sum, { bytes }) => sum + bytes, 0) >= MAX_COMMIT_READ_BYTES
  return {
    get nextPosition() {
      return next
    },
    async add(entries, nextPosition, lookupBytes) {
      const [first] = entries
      if (first === undefined) return
      if (next !== undefined && first.firstPosition < next) throw overlap(first, next, last)
      for (const entry of entries) if (entry.lastPosition >= nextPosition) throw overlap(entry, nextPosition, 'the next object')
      firstPosition ??= next ?? first.firstPosition
      account ??= openAccount(firstPosition)
      const count = entries.reduce((sum, entry) => sum + entry.count, 0)
      account.addBlock({ count, firstPosition: first.firstPosition, lastPosition: nextPosition - 1 })
      for (const entry of entries) take(entry, lookupBytes)
      next = nextPosition
      last = entries.at(-1)!.key
      if (isFull()) await commit()
    },
    flush: commit,
    report: () => ({ ...sums, firstPosition, nextPosition: sums.objects === 0 ? undefined : next }),
  }
}

function overlap({ key, firstPosition, lastPosition }: SegmentEntry, position: number, other: string): MillpondError {
  const what = `${key} holds positions from ${firstPosition} to ${lastPosition}`
  const message = `${what}, and ${other} lies at ${position}: a position cannot be in the archive twice`
  return new MillpondError('IMPORT_CONFLICT', message, { details: { key, firstPosition, lastPosition, position } })
}
