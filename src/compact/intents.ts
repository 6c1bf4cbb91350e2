import { rewriteOf, rewritesPrefix } from '../commit/commit-names.ts'
import { NO_REWRITES, readRewrites } from '../commit/rewrites.ts'
import { MillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'

/** What is about to be written for a rewrite: noted before, so that what a crash leaves is found wherever it lies. */
export interface Intent {
  readonly sequence: number
  readonly writer: string
  /** Where the new segments will lie. */
  readonly folders: readonly string[]
}

const NAME = /^(\d{1,16})-([0-9a-f]+)\.intent$/u

const intentKey = (laneFolder: string, { sequence, writer }: Omit<Intent, 'folders'>): string =>
  `${rewritesPrefix(laneFolder)}${sequence}-${writer}.intent`

/** Notes what is about to be written. */
export async function noteIntent(store: Store, laneFolder: string, intent: Intent, signal?: AbortSignal): Promise<void> {
  await store.putIfAbsent(intentKey(laneFolder, intent), Buffer.from(JSON.stringify({ folders: intent.folders })), signal)
}

/** Removes the note: what it was for is named, or was removed. */
export const dropIntent = (store: Store, laneFolder: string, intent: Intent, signal?: AbortSignal): Promise<void> =>
  store.delete(intentKey(laneFolder, intent), signal)

/** The notes of a lane that are there. */
async function listIntents(store: Store, laneFolder: string, signal?: AbortSignal): Promise<Intent[]> {
  const intents: Intent[] = []
  for await (const { key } of store.list(rewritesPrefix(laneFolder), {}, signal)) {
    const named = NAME.exec(key.slice(key.lastIndexOf('/') + 1))
    if (named === null) continue
    intents.push({
      sequence: Number(named[1]),
      writer: named[2]!,
      folders: foldersOf(key, await store.read(key, undefined, signal)),
    })
  }
  return intents
}

/** Removes what earlier rewrites of a lane left that did not come to their end; gives how many objects. */
export async function tidyLane(store: Store, folder: string, signal?: AbortSignal): Promise<number> {
  const intents = await listIntents(store, folder, signal)
  if (intents.length === 0) return 0
  const named = new Set<string>()
  let rewrites = 0
  for await (const { link, rewrite } of readRewrites(store, folder, NO_REWRITES, signal)) {
    rewrites = link.sequence + 1
    for (const { key } of rewrite.segments) named.add(key)
  }
  let removed = 0
  // For a sequence that is passed nobody can name anything any more.
  for (const intent of intents) if (intent.sequence < rewrites) removed += await cleanUp(store, folder, intent, named, signal)
  return removed
}

/** Removes what was written for a rewrite that did not come to be, or was not named by it, and then the note. */
export async function cleanUp(
  store: Store,
  laneFolder: string,
  intent: Intent,
  named: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<number> {
  let removed = 0
  for (const folder of intent.folders) {
    for await (const { key } of store.list(`${folder}/`, {}, signal)) {
      if (rewriteOf(key) !== intent.sequence || !key.includes(`-${intent.writer}.`) || named.has(key)) continue
      await store.delete(key, signal)
      removed++
    }
  }
  await store.delete(intentKey(laneFolder, intent), signal)
  return removed
}

function foldersOf(key: string, bytes: Uint8Array): string[] {
  try {
    const { folders } = JSON.parse(Buffer.from(bytes).toString()) as { folders?: unknown }
    if (Array.isArray(folders) && folders.every((folder) => typeof folder === 'string')) return folders
  } catch {
    // Told below.
  }
  throw new MillpondError('COMMIT_CORRUPT', `${key} does not say which folders were to be written to`, { details: { key } })
}
