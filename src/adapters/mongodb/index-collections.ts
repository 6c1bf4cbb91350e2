import type { Collection, Filter } from 'mongodb'
import type { StoredCommit } from '../../commit/commit.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Checked } from './checked.ts'
import type { OpenMongo } from './client.ts'
import { isNoCollection } from './errors.ts'
import {
  type ChunkDocument,
  chunkId,
  type CommitDocument,
  commitDocuments,
  type CommitRecord,
  idsOf,
  type LaneDocument,
  laneDocument,
  laneKey,
  type LaneState,
  type LaneTotals,
  type PartDocument,
  placeId,
  toLaneState,
  toRecord,
} from './index-documents.ts'
import type { ChangedDirectory, Run } from './index-directory.ts'
import { idOf, inserted } from './insert.ts'
import { claimsOf, replaceVersion } from './versions.ts'

/** Ids that one request asks for or deletes. */
const IDS_AT_ONCE = 1000

/** The index's documents in the server: each call reads or changes one, or some of which none depends on another. */
export interface IndexCollections {
  /** Makes the secondary index where it is not there. */
  prepare(): Promise<void>
  lane(id: LaneId): Promise<LaneState | undefined>
  lanes(topic: string | undefined): Promise<LaneTotals[]>
  laneDirectories(topic: string | undefined): Promise<Checked<LaneDocument>[]>
  /** False where there is one of that lane. */
  insertLane(state: LaneState): Promise<boolean>
  /** False where the lane's document is not in the state before this one. */
  replaceLane(state: LaneState): Promise<boolean>
  /** Writes the chunks that a directory needs. */
  putChunks(ref: string, sealed: ChangedDirectory['sealed']): Promise<void>
  chunks(ids: readonly string[], fresh: boolean): Promise<ChunkDocument[]>
  /** False where a commit or rewrite is in that place. */
  insertCommit(ref: string, commit: StoredCommit): Promise<boolean>
  removeCommit(ref: string, commit: StoredCommit): Promise<void>
  /** SHA-256 and last position of what is in that place. */
  linkAt(ref: string, place: Omit<Run, 'entries'>): Promise<Pick<CommitDocument, 'sha256' | 'nextPosition'> | undefined>
  /** What is in that place, whole. */
  recordAt(lane: LaneId, ref: string, place: Omit<Run, 'entries'>): Promise<CommitRecord | undefined>
  parts(ids: readonly string[], fresh: boolean): Promise<Checked<PartDocument>[]>
  removeLane(id: LaneId): Promise<void>
  removeAll(): Promise<void>
}

/** The collections of an index whose names begin with `prefix`. */
export function indexCollections(mongo: OpenMongo, prefix: string): IndexCollections {
  const { database } = mongo
  const lanes = database.collection<Checked<LaneDocument>>(`${prefix}lanes`)
  const replaceLane = replaceVersion<LaneDocument>(mongo, `${prefix}lanes`)
  const segments = database.collection<Checked<PartDocument>>(`${prefix}segments`)
  const directory = database.collection<ChunkDocument>(`${prefix}directory`)
  // What is about to be changed has to be the newest.
  const newest = { readPreference: 'primary' } as const
  const reading = (fresh: boolean) => (fresh ? newest : {})
  const ofTopic = (topic: string | undefined) => (topic === undefined ? {} : { topic: { $eq: topic } })
  const some = <T extends { _id: string }>(from: Collection<T>, ids: readonly string[], fresh: boolean) =>
    from.find({ _id: { $in: ids } } as Filter<T>, reading(fresh)).toArray() as Promise<T[]>

  return {
    async prepare() {
      await lanes.createIndex({ topic: 1, topicId: 1, lane: 1 }, { name: 'lane', unique: true })
    },
    async lane(id) {
      const document = await lanes.findOne({ _id: laneKey(id) }, newest)
      return document === null ? undefined : toLaneState(document)
    },
    lanes: (topic) => lanes.find<LaneTotals>(ofTopic(topic), { projection: { chunks: 0, open: 0 } }).toArray(),
    laneDirectories: (topic) => lanes.find(ofTopic(topic)).toArray(),
    insertLane: (state) => inserted(lanes, laneDocument(state)),
    replaceLane: (state) => replaceLane(laneDocument(state)),
    async putChunks(ref, sealed) {
      // Made of their content: one that is there is the same.
      for (const { name, bytes } of sealed) await inserted(directory, { _id: chunkId(ref, name), runs: bytes })
    },
    chunks: (ids, fresh) => some(directory, ids, fresh),
    async insertCommit(ref, commit) {
      const [first, ...others] = commitDocuments(ref, commit)
      for (const other of others) {
        // Left by a process that ended before it wrote the first, so nothing counts on it.
        if (!(await inserted(segments, other)))
          await segments.replaceOne({ _id: idOf(other), sha256: { $ne: other.sha256 } }, other)
      }
      return inserted(segments, first)
    },
    async removeCommit(ref, commit) {
      const ids = commitDocuments(ref, commit).map(({ _id }) => _id)
      await segments.deleteMany({ _id: { $in: ids } })
    },
    async linkAt(ref, place) {
      const fields = { sha256: 1, nextPosition: 1 } as const
      const found = await segments.findOne({ _id: placeId(ref, place) }, { ...newest, projection: fields })
      return found === null ? undefined : (found as unknown as CommitDocument)
    },
    async recordAt(lane, ref, place) {
      // By `_id` alone: some servers have an index for nothing else.
      const first = (await segments.findOne({ _id: placeId(ref, place) }, newest)) as Checked<CommitDocument> | null
      if (first === null) return undefined
      const ids = Array.from({ length: first.parts - 1 }, (_, at) => placeId(ref, { ...place, part: at + 1 }))
      const others = ids.length === 0 ? [] : await some(segments, ids, true)
      const byId = new Map(others.map((part) => [idOf(part), part]))
      return toRecord(lane, place, [first, ...ids.flatMap((id) => byId.get(id) ?? [])])
    },
    parts: (ids, fresh) => some(segments, ids, fresh),
    async removeLane(id) {
      const one = { _id: laneKey(id) }
      const document = await lanes.findOne(one, newest)
      if (document === null) return
      // Without it nothing else is looked at.
      await lanes.deleteOne(one)
      await removeRange(segments as unknown as Collection<ChunkDocument>, document.ref)
      await removeRange(directory, document.ref)
      await claimsOf(database, `${prefix}lanes`).deleteMany({ _id: idsOf(document.ref) })
    },
    async removeAll() {
      await lanes.deleteMany({})
      await claimsOf(database, `${prefix}lanes`).deleteMany({})
      for (const collection of [segments, directory]) {
        await collection.drop().catch((error: unknown) => {
          if (!isNoCollection(error)) throw error
        })
      }
    },
  }
}

/** In steps, for a lane can have more documents than a server deletes at once. */
async function removeRange(collection: Collection<ChunkDocument>, ref: string): Promise<void> {
  for (;;) {
    const range = { _id: idsOf(ref) }
    const found = await collection
      .find(range, { projection: { _id: 1 }, limit: IDS_AT_ONCE, readPreference: 'primary' })
      .toArray()
    if (found.length === 0) return
    await collection.deleteMany({ _id: { $in: found.map(({ _id }) => _id) } })
  }
}
