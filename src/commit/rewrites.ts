import type { LaneId } from '../source/lane.ts'
import type { Store } from '../store/store.ts'
import { readCommits } from './chain.ts'
import type { Commit, CommitDraft, StoredCommit } from './commit.ts'
import { decodeCommit, encodeCommit } from './commit-codec.ts'
import { laneFolder, parseRewriteKey, remadeLaneFolder, rewriteKey, rewritesPrefix } from './commit-names.ts'
import { brokenChain, isSameLane, putOurs } from './commit-objects.ts'

/** A rewrite, as far as it says which commits it replaces. */
export interface RewriteLink {
  readonly key: string
  /** How many rewrites of the lane came before it. */
  readonly sequence: number
  readonly sha256: string
  readonly firstPosition: number
  readonly nextPosition: number
  readonly replacedSha256: string
  /** Messages that it has no more, of what it replaces. */
  readonly removed: number
}

/** Up to where the rewrites of a lane are known: how many, and the SHA-256 (hex) of the newest. */
export interface RewriteHead {
  readonly count: number
  readonly sha256: string
}

/** Before the first rewrite. */
export const NO_REWRITES: RewriteHead = { count: 0, sha256: '' }

/** Up to where rewrites are known, of which these are the first ones. */
export function headOf(links: readonly RewriteLink[]): RewriteHead {
  const newest = links.at(-1)
  return newest === undefined ? NO_REWRITES : { count: newest.sequence + 1, sha256: newest.sha256 }
}

/** Keys of a lane's rewrites, newest first. Other names are passed over. */
export async function* rewriteKeys(store: Store, folder: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const { key } of store.list(rewritesPrefix(folder), {}, signal)) if (parseRewriteKey(key) !== undefined) yield key
}

/**
 * The rewrites of a lane behind those that are known, oldest first, each checked to follow the one before.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`.
 */
export async function* readRewrites(
  store: Store,
  folder: string,
  after: RewriteHead = NO_REWRITES,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly link: RewriteLink; readonly rewrite: StoredCommit }> {
  const keys: string[] = []
  for await (const key of rewriteKeys(store, folder, signal)) {
    if (parseRewriteKey(key)! < after.count) break
    keys.push(key)
  }
  let head = after
  let lane: LaneId | undefined
  for (const key of keys.reverse()) {
    const rewrite = decodeCommit(key, await store.read(key, undefined, signal))
    const fault = rewriteFault(head, rewrite, { folder, lane: lane ?? rewrite })
    if (fault !== undefined) throw brokenChain(key, fault)
    const link = linkOf(rewrite)
    lane = rewrite
    head = headOf([link])
    yield { link, rewrite }
  }
}

/** Why `rewrite` is not what follows the known ones of its folder, in words; undefined where it is. */
export function rewriteFault(
  head: RewriteHead,
  rewrite: StoredCommit,
  { folder, lane }: { readonly folder: string; readonly lane: LaneId },
): string | undefined {
  const sequence = parseRewriteKey(rewrite.key)
  if (rewrite.kind !== 'rewrite') return 'it lies among rewrites and is none'
  if (!isSameLane(rewrite, lane) || (folder !== laneFolder(rewrite) && folder !== remadeLaneFolder(rewrite)))
    return `it rewrites ${rewrite.topic}/${rewrite.lane}, which does not lie here`
  if (sequence !== head.count) return `rewrite ${head.count} is missing`
  return rewrite.previousSha256 === head.sha256
    ? undefined
    : `it follows a rewrite ${rewrite.previousSha256 || '(none)'}, not ${head.sha256 || '(none)'}`
}

/** What a rewrite replaces. */
export const linkOf = (rewrite: StoredCommit): RewriteLink => ({
  key: rewrite.key,
  sequence: parseRewriteKey(rewrite.key)!,
  sha256: rewrite.sha256,
  firstPosition: rewrite.firstPosition,
  nextPosition: rewrite.nextPosition,
  replacedSha256: rewrite.replacedSha256 ?? '',
  removed: rewrite.removal?.messages ?? 0,
})

/**
 * The rewrites that no later one replaces, by position.
 * @throws MillpondError `CHAIN_BROKEN` where one replaces a part of another.
 */
export function liveRewrites(links: readonly RewriteLink[]): RewriteLink[] {
  let live: RewriteLink[] = []
  for (const link of links) {
    const isApart = (one: RewriteLink) => one.nextPosition <= link.firstPosition || one.firstPosition >= link.nextPosition
    const isWithin = (one: RewriteLink) => one.firstPosition >= link.firstPosition && one.nextPosition <= link.nextPosition
    const torn = live.find((one) => !isApart(one) && !isWithin(one))
    if (torn !== undefined) throw brokenChain(link.key, `it replaces a part of ${torn.key}`)
    live = [...live.filter(isApart), link]
  }
  return live.sort((a, b) => a.firstPosition - b.firstPosition)
}

/** Tells, commit by commit in their order, which of them a rewrite replaces, and checks that they are those that it names. */
export interface Replacing {
  /** The rewrite that replaces this data commit; `isLast` where the commit is the last of those. */
  of(commit: StoredCommit): { readonly link: RewriteLink; readonly isLast: boolean } | undefined
  /** @throws MillpondError `CHAIN_BROKEN` where a rewrite names commits that did not come. */
  end(): void
}

/** Asked from a data commit on that begins where no rewrite of `live` is under way. */
export function createReplacing(live: readonly RewriteLink[]): Replacing {
  let at = 0
  let isWithin = false
  return {
    of(commit) {
      const link = live[at]
      if (commit.kind !== 'data' || link === undefined || commit.nextPosition <= link.firstPosition) return undefined
      if (!isWithin && commit.firstPosition !== link.firstPosition)
        throw brokenChain(link.key, `no commit begins at ${link.firstPosition}, where it does`)
      const isLast = commit.nextPosition === link.nextPosition
      if (commit.nextPosition > link.nextPosition)
        throw brokenChain(link.key, `no commit ends before ${link.nextPosition}, where it does`)
      if (isLast && commit.sha256 !== link.replacedSha256)
        throw brokenChain(link.key, `it replaces commits up to ${link.replacedSha256}, not ${commit.sha256}`)
      isWithin = !isLast
      if (isLast) at++
      return { link, isLast }
    },
    end() {
      if (at < live.length) throw brokenChain(live[at]!.key, 'it replaces commits that are not there')
    },
  }
}

/** What all rewrites of a folder say that they replace, oldest first. @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`. */
export const readRewriteLinks = (store: Store, folder: string, signal?: AbortSignal): Promise<RewriteLink[]> =>
  Array.fromAsync(readRewrites(store, folder, NO_REWRITES, signal), ({ link }) => link)

/**
 * What a folder holds now: its commits, oldest first and genesis included, but rewrites in the place of those that they replace.
 * @throws MillpondError `CHAIN_BROKEN`, `COMMIT_CORRUPT`.
 */
export async function* readLiveCommits(store: Store, folder: string, signal?: AbortSignal): AsyncGenerator<StoredCommit> {
  // First the rewrites, then the commits: those that they replace are there by then.
  const links = await readRewriteLinks(store, folder, signal)
  yield* withRewrites(store, readCommits(store, folder, {}, signal), links, signal)
}

/** Commits in their order, the first of which no rewrite of `links` has begun before, but rewrites in the place of those that they replace. */
export async function* withRewrites(
  store: Store,
  commits: AsyncIterable<StoredCommit>,
  links: readonly RewriteLink[],
  signal?: AbortSignal,
): AsyncGenerator<StoredCommit> {
  const replacing = createReplacing(liveRewrites(links))
  for await (const commit of commits) {
    const replaced = replacing.of(commit)
    if (replaced === undefined) yield commit
    else if (replaced.isLast) yield decodeCommit(replaced.link.key, await store.read(replaced.link.key, undefined, signal))
  }
  replacing.end()
}

/** Who rewrites commits of which lane. */
export interface Rewriter {
  readonly store: Store
  readonly lane: LaneId
  readonly folder: string
  readonly writer: string
  readonly now: () => number
}

/**
 * Puts the rewrite behind the known ones; undefined where another has the place, which is so for good.
 * @throws MillpondError `POSITION_INVALID` where it does not account for every position.
 */
export async function appendRewrite(
  { store, lane, folder, writer, now }: Rewriter,
  head: RewriteHead,
  draft: CommitDraft & Pick<Commit, 'firstPosition' | 'removal'> & { readonly replacedSha256: string },
  signal?: AbortSignal,
): Promise<StoredCommit | undefined> {
  const { firstPosition, nextPosition, segments, gaps, deadLetters, replacedSha256, removal } = draft
  const { topic, topicId, lane: name } = lane
  const covered = { firstPosition, nextPosition, segments, gaps, deadLetters }
  const identity = { kind: 'rewrite' as const, topic, topicId, lane: name, writer, timeMs: now() }
  const key = rewriteKey(folder, head.count)
  const links = { previousSha256: head.sha256, replacedSha256, ...(removal === undefined ? {} : { removal }) }
  const bytes = encodeCommit({ ...identity, ...covered, ...links }, draft.lookupBytes)
  const stored = decodeCommit(key, bytes)
  return (await putOurs(store, stored, bytes, signal)) ? stored : undefined
}
