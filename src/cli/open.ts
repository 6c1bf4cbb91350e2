import { constants, existsSync } from 'node:fs'
import { access } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config/config.ts'
import { nearest } from '../nearest.ts'
import { MillpondError } from '../errors.ts'
import { followChains } from '../index/follow.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import { createArchivedValues } from '../schemas/archived-values.ts'
import type { Archive } from '../search/read.ts'
import type { Broker } from '../source/broker.ts'
import type { Store } from '../store/store.ts'
import type { DecodedValues } from '../values/decoded.ts'
import { openBroker, openIndex, openMemoryIndex } from '../wiring.ts'
import { openStore } from '../wiring/store.ts'

/** An archive that can be read, closed by whoever opened it. */
export interface OpenArchive extends Archive, AsyncDisposable {
  readonly store: Store
  readonly index: SegmentIndex
  readonly values: DecodedValues
}

/**
 * Opens the archive to read it. Unless `follow` is false the index first takes the commits that it does not have, so that everything that
 * is archived is found, whether another process keeps the index or not; only of `topic` where that is all that is to be read. Where the
 * folder of the index cannot be written to, one is made in memory: it takes a read of every commit, and the archive stays readable.
 */
export async function openArchive(
  config: Config,
  { follow, topic, signal }: { follow: boolean; topic?: string | undefined; signal: AbortSignal },
): Promise<OpenArchive> {
  await using opened = new AsyncDisposableStack()
  const store = opened.use(await openStore(config, 'read'))
  const isKept = config.index.type !== 'sqlite' || (await isWritable(config.index.path))
  const index = opened.use(await (isKept ? openIndex(config) : openMemoryIndex()))
  if (follow || !isKept) await followChains(store, index, topic === undefined ? {} : { topic }, signal)
  const kept = opened.move()
  const values = createArchivedValues(store, { nowMs: Date.now })
  return { store, index, values, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** False where the folder of the file says that nothing may be changed in it; SQLite cannot even read there. */
async function isWritable(path: string): Promise<boolean> {
  try {
    await access(dirname(path), constants.W_OK)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code !== 'EROFS' && code !== 'EACCES'
  }
}

/** Opens the broker, unless it is a log that is not there yet: who only reads must not make one. */
export async function openBrokerIfThere(config: Config): Promise<Broker | undefined> {
  return config.source.type !== 'local' || existsSync(config.local.path) ? openBroker(config) : undefined
}

/** Opens the archive, its index up to date, unless there is none yet. */
export async function openArchiveIfThere(config: Config, signal: AbortSignal): Promise<OpenArchive | undefined> {
  return config.store.type !== 'file' || existsSync(config.store.path) ? openArchive(config, { follow: true, signal }) : undefined
}

/** @throws MillpondError `TOPIC_UNKNOWN` for a topic that is not among these, with the nearest name that is. */
export function requireTopic(topic: string, known: readonly string[], where: string): void {
  if (known.includes(topic)) return
  const near = nearest(topic, known)
  const hint = near === undefined ? '' : `; did you mean ${near}?`
  throw new MillpondError('TOPIC_UNKNOWN', `there is no topic ${topic} in ${where}${hint}`, { details: { topic } })
}

/** As `requireTopic`, for a topic of the archive. */
export async function requireArchivedTopic({ index }: Archive, topic: string | undefined): Promise<void> {
  if (topic === undefined) return
  if ((await index.lanes(topic)).length > 0) return
  requireTopic(topic, [...new Set((await index.lanes()).map((lane) => lane.topic))], 'the archive')
}
