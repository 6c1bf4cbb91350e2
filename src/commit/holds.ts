import { isMillpondError, MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import { CHAINS_PREFIX, HOLDS_FOLDER, holdKey, holdsPrefix, parseHoldKey } from './commit-names.ts'
import { hashOf, readBytes } from './commit-objects.ts'

/** One step in the history of a topic's legal hold, as it lies in the store. */
export interface HoldRecord {
  readonly topic: string
  readonly action: 'hold' | 'release'
  readonly reason: string
  /** Who asked, as far as is known. */
  readonly by: string
  readonly timeMs: number
  /** SHA-256 (hex) of the record before it; empty for the first. */
  readonly previousSha256: string
}

/** A record and where it lies. */
export interface StoredHold extends HoldRecord {
  readonly key: string
  /** How many came before it. */
  readonly sequence: number
  readonly sha256: string
}

/** How often a record is tried that others overtake. */
const ATTEMPTS = 100

/**
 * The newest record of a topic's hold; undefined where it was never held.
 * @throws MillpondError `COMMIT_CORRUPT`: who cannot read whether a topic is held must not remove anything of it.
 */
export async function newestHold(store: Store, topic: string, signal?: AbortSignal): Promise<StoredHold | undefined> {
  for await (const record of holdHistory(store, topic, signal)) return record
  return undefined
}

/** Whether the store says that nothing of the topic may be removed. @throws MillpondError `COMMIT_CORRUPT`. */
export async function isTopicHeld(store: Store, topic: string, signal?: AbortSignal): Promise<boolean> {
  return (await newestHold(store, topic, signal))?.action === 'hold'
}

/** What became of a topic's hold, newest first, each record checked to follow the one before. @throws MillpondError `COMMIT_CORRUPT`. */
export async function* holdHistory(store: Store, topic: string, signal?: AbortSignal): AsyncGenerator<StoredHold> {
  let later: StoredHold | undefined
  for await (const { key } of store.list(holdsPrefix(topic), {}, signal)) {
    const sequence = parseHoldKey(key)
    if (sequence === undefined) continue
    const record = decodeHold(key, sequence, await store.read(key, undefined, signal))
    if (record.topic !== topic) throw corruptHold(key, `it is of the topic ${record.topic}`)
    if (later !== undefined && (later.sequence !== sequence + 1 || later.previousSha256 !== record.sha256))
      throw corruptHold(later.key, `it does not follow ${key}`)
    yield record
    later = record
  }
  if (later !== undefined && (later.sequence !== 0 || later.previousSha256 !== ''))
    throw corruptHold(later.key, 'the record before it is missing')
}

/** The newest record of every topic that is or was held. @throws MillpondError `COMMIT_CORRUPT`. */
export async function* allHolds(store: Store, signal?: AbortSignal): AsyncGenerator<StoredHold> {
  for await (const folder of store.folders(CHAINS_PREFIX, signal)) {
    for await (const { key } of store.list(`${CHAINS_PREFIX}${folder}/${HOLDS_FOLDER}/`, {}, signal)) {
      const sequence = parseHoldKey(key)
      if (sequence === undefined) continue
      yield decodeHold(key, sequence, await store.read(key, undefined, signal))
      break
    }
  }
}

/**
 * Holds a topic or releases it; gives the record, or undefined where that is so already.
 * @throws MillpondError `COMMIT_CORRUPT`.
 */
export async function changeHold(
  store: Store,
  change: Omit<HoldRecord, 'previousSha256'>,
  signal?: AbortSignal,
): Promise<StoredHold | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const newest = await newestHold(store, change.topic, signal)
    if ((newest?.action ?? 'release') === change.action) return undefined
    const sequence = (newest?.sequence ?? -1) + 1
    const key = holdKey(change.topic, sequence)
    const bytes = Buffer.from(`${JSON.stringify({ ...change, previousSha256: newest?.sha256 ?? '' })}\n`)
    if (await putOwn(store, key, bytes, signal)) return decodeHold(key, sequence, bytes)
  }
  throw new MillpondError('COMPACT_CONFLICT', `others have changed the hold of ${change.topic} ${ATTEMPTS} times meanwhile`)
}

/** True where the store then has these bytes. */
async function putOwn(store: Store, key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<boolean> {
  try {
    if ((await store.putIfAbsent(key, bytes, signal)) === 'created') return true
  } catch (error) {
    const found = signal?.aborted ? undefined : await readBytes(store, key, signal).catch(() => undefined)
    if (found === undefined) throw error
    return hashOf(found) === hashOf(bytes)
  }
  return hashOf(await store.read(key, undefined, signal)) === hashOf(bytes)
}

function decodeHold(key: string, sequence: number, bytes: Uint8Array): StoredHold {
  let value: Partial<HoldRecord>
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<HoldRecord>
  } catch (error) {
    if (isMillpondError(error)) throw error
    throw corruptHold(key, 'it is not JSON')
  }
  const { topic, action, reason, by, timeMs, previousSha256 } = value
  const isTold = [topic, reason, by, previousSha256].every((text) => typeof text === 'string') && Number.isSafeInteger(timeMs)
  if (!isTold || (action !== 'hold' && action !== 'release')) throw corruptHold(key, 'it does not say who holds what')
  const record = { topic: topic!, action, reason: reason!, by: by!, timeMs: timeMs!, previousSha256: previousSha256! }
  return { ...record, key, sequence, sha256: hashOf(bytes) }
}

const corruptHold = (key: string, what: string): MillpondError =>
  new MillpondError('COMMIT_CORRUPT', `the record of a hold ${key}: ${what}`, { details: { key } })
