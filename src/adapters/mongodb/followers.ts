import type { Db } from 'mongodb'

interface FollowerDocument {
  readonly _id: string
  readonly untilMs: number
}

/**
 * Says that a follower lives for so long, by the server's clock, or with 0 that it leaves, and gives those that live, in the order of their names.
 * Each follower writes its own document alone.
 */
export async function announceFollower(
  database: Db,
  collection: string,
  follower: string,
  leaseMs: number,
): Promise<readonly string[]> {
  const followers = database.collection<FollowerDocument>(collection)
  const nowMs = await serverTime(database)
  if (leaseMs > 0) await followers.replaceOne({ _id: follower }, { untilMs: nowMs + leaseMs }, { upsert: true })
  else await followers.deleteOne({ _id: follower })
  await followers.deleteMany({ untilMs: { $lt: nowMs } })
  const living = await followers.find({ untilMs: { $gte: nowMs } }, { readPreference: 'primary' }).toArray()
  return living.map(({ _id }) => _id).sort()
}

/** Asked as drivers ask when they connect, which every server answers. */
async function serverTime(database: Db): Promise<number> {
  const { localTime } = await database.command({ isMaster: 1 })
  return localTime instanceof Date ? localTime.getTime() : Date.now()
}
