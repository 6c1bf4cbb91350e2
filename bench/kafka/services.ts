import { setTimeout as after } from 'node:timers/promises'
import { until } from '../../test/live/until.ts'
import { type Archiver, committedOf, heldBy, startArchiver } from './archiver.ts'
import { type Bench, type Figures, makeBucket, proveWhole } from './bench.ts'
import { type Feed, startFeed } from './feed.ts'

/** What service cases can be told. */
export interface ServiceOptions {
  /** Of all partitions together. */
  readonly messagesPerSecond: number
  readonly seconds: number
}

const MANY_PARTITIONS = 1000
const SESSION_TIMEOUT_SECONDS = 6
const WARM_UP_MS = 10_000
const LIMIT_MS = 180_000
const LOOK_EVERY_MS = 100

const tenths = (milliseconds: number): number => Math.round(milliseconds / 100) / 10
const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0)

/** Waits like `until`, but leaves the processors to what it waits for. */
const untilSlowly = (holds: () => boolean, what: string) =>
  until(async () => holds() || (await after(LOOK_EVERY_MS, false)), what, LIMIT_MS)

const makeTopic = (bench: Bench, topic: string, partitions: number) =>
  bench.kafka.createTopic(topic, { partitions, config: { 'retention.ms': '-1' } })

/** Waits until all that was sent is committed; gives how long that took since now, in s. */
async function drain(archivers: readonly Archiver[], feed: Feed): Promise<number> {
  const startedMs = performance.now()
  await untilSlowly(() => sum(committedOf(archivers).values()) >= feed.sent(), 'all messages to be committed')
  return tenths(performance.now() - startedMs)
}

/** Many partitions with little in each: what an archiver needs for them, and whether it forgets one. */
export async function manyPartitions(bench: Bench, { messagesPerSecond, seconds }: ServiceOptions): Promise<Figures> {
  const [name, partitions] = ['partitions-1000', MANY_PARTITIONS]
  await makeTopic(bench, name, partitions)
  await makeBucket(bench, name)
  const settings = { archive: { rotate: { maxAge: '30s' } } }
  await using archiver = await startArchiver(bench, { name, topic: name, settings })
  const { bootstrap } = bench.kafka
  // A batch a second for each partition: small ones more often would measure the broker.
  const batchCount = Math.max(1, Math.round(messagesPerSecond / partitions))
  await using feed = await startFeed({ bootstrap, topic: name, partitions, messagesPerSecond, batchCount })
  const startedMs = performance.now()
  await untilSlowly(() => heldBy(archiver).length === partitions, 'all lanes to be opened')
  const openedSeconds = tenths(performance.now() - startedMs)
  await after(seconds * 1000)
  await feed.stop()
  const committed = committedOf([archiver])
  const agesMs = Array.from({ length: partitions }, (_, partition) => feed.ageMs(partition, committed.get(partition) ?? 0))
  const drainedSeconds = await drain([archiver], feed)
  const memory = archiver.memory()
  await archiver.stop()
  await proveWhole(bench, archiver.folder, feed.sent())
  return {
    wantedMessagesPerSecond: messagesPerSecond,
    messagesPerSecond: feed.messagesPerSecond(),
    messages: feed.sent(),
    openedSeconds,
    lanesCommitted: committed.size,
    oldestUncommittedSeconds: tenths(Math.max(...agesMs)),
    medianUncommittedSeconds: tenths(agesMs.toSorted((a, b) => a - b)[partitions / 2]!),
    drainedSeconds,
    ...commitsPerLane(archiver),
    ...memory,
    ran: `${partitions} partitions in batches of ${batchCount}, fed for ${seconds} s after all lanes were opened, segments closed after 30 s`,
  }
}

/** Fewest and most commits of a lane, and how long, at the least and the most, one waited for its first after it was opened. */
function commitsPerLane(archiver: Archiver): Figures {
  const events = Map.groupBy(archiver.events(), ({ partition }) => partition)
  const lanes = [...events.values()].map((all) => {
    const commits = all.filter(({ kind }) => kind === 'committed')
    return { count: commits.length, firstMs: (commits[0]?.atMs ?? Infinity) - all[0]!.atMs }
  })
  const [counts, firstMs] = [lanes.map(({ count }) => count), lanes.map(({ firstMs }) => firstMs)]
  return {
    fewestCommitsOfLane: Math.min(...counts),
    mostCommitsOfLane: Math.max(...counts),
    soonestFirstCommitSeconds: tenths(Math.min(...firstMs)),
    latestFirstCommitSeconds: tenths(Math.max(...firstMs)),
  }
}

/** One of two archivers is killed: how soon the other goes on with its lanes. */
export async function memberDeath(bench: Bench, { messagesPerSecond }: ServiceOptions): Promise<Figures> {
  const [name, partitions, batchCount] = ['member-death', 8, 500]
  await makeTopic(bench, name, partitions)
  await makeBucket(bench, name)
  const settings = { archive: { rotate: { maxAge: '1s' } }, kafka: { sessionTimeout: `${SESSION_TIMEOUT_SECONDS}s` } }
  const start = (folder: string) => startArchiver(bench, { name, topic: name, settings, folder })
  await using killed = await start('member-killed')
  await using left = await start('member-left')
  const { bootstrap } = bench.kafka
  await using feed = await startFeed({ bootstrap, topic: name, partitions, messagesPerSecond, batchCount })
  await after(WARM_UP_MS)
  const isShared = () => heldBy(killed).length > 0 && heldBy(killed).length + heldBy(left).length === partitions
  await untilSlowly(() => isShared() && committedOf([killed, left]).size === partitions, 'both to archive')
  const taken = await killAndWatch(killed, left)
  await feed.stop()
  const drainedSeconds = await drain([killed, left], feed)
  await left.stop()
  await proveWhole(bench, left.folder, feed.sent())
  return {
    wantedMessagesPerSecond: messagesPerSecond,
    messagesPerSecond: feed.messagesPerSecond(),
    messages: feed.sent(),
    ...taken,
    sessionTimeoutSeconds: SESSION_TIMEOUT_SECONDS,
    drainedSeconds,
    ran: `${partitions} partitions, two archivers, segments closed after 1 s, one killed by SIGKILL; from the kill to new commits of its lanes by the other`,
  }
}

/** Kills an archiver and waits until the other has committed each of its lanes. */
async function killAndWatch(killed: Archiver, left: Archiver): Promise<Figures> {
  const killedMs = Date.now()
  await killed.child.end(0)
  const lanes = heldBy(killed)
  const takenMs = () => {
    const commits = left.events().filter(({ kind, atMs }) => kind === 'committed' && atMs > killedMs)
    return lanes.map((lane) => (commits.find(({ partition }) => partition === lane)?.atMs ?? Infinity) - killedMs)
  }
  await untilSlowly(() => takenMs().every(Number.isFinite), 'the other to commit the lanes of the killed one')
  return {
    lanesOfKilled: lanes.length,
    firstTakenSeconds: tenths(Math.min(...takenMs())),
    lastTakenSeconds: tenths(Math.max(...takenMs())),
  }
}
