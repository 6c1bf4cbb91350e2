import { isMillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { StoredCommit } from './commit.ts'
import { decodeCommit } from './commit-codec.ts'
import { rewriteOf } from './commit-names.ts'
import {
  createReplacing,
  headOf,
  linkOf,
  liveRewrites,
  rewriteFault,
  rewriteKeys,
  type Replacing,
  type RewriteLink,
} from './rewrites.ts'
import { createRemovalsCheck } from './verify-removals.ts'
import type { LaneNotes } from './verify-report.ts'

/** What the rewrites of a lane say, as its commits are gone through in their order. */
export interface RewritesCheck {
  /** Keys of all data objects that were made for rewrites, also of those that a later one has replaced. */
  readonly named: ReadonlySet<string>
  /** Keys of data objects that a later rewrite has replaced, as far as they are known. */
  readonly replaced: ReadonlySet<string>
  /**
   * The rewrite that replaces this data commit, which need not be looked into then. It is given with the last commit that it replaces, to be looked
   * into itself; `isReplaced` alone with those before.
   */
  of(commit: StoredCommit): { readonly isReplaced: boolean; readonly rewrite?: Rewritten }
  end(): void
}

/** A rewrite and what the commits that it replaces account for together. */
export interface Rewritten {
  readonly link: RewriteLink
  readonly account: Account
  /** Messages that were removed since, by it and those that it replaces. */
  readonly removed: number
}

/** How many positions are what. */
interface Account {
  readonly messages: number
  readonly missing: number
  readonly deadLetters: number
}

const NOTHING: Account = { messages: 0, missing: 0, deadLetters: 0 }

const added = (sum: Account, { segments, gaps, deadLetters }: StoredCommit): Account => ({
  messages: segments.reduce((messages, { count }) => messages + count, sum.messages),
  missing: gaps.reduce((total, { missing }) => total + missing, sum.missing),
  deadLetters: sum.deadLetters + deadLetters.length,
})

/** Why a rewrite does not account for what its commits did, in words; undefined where it does. */
export function accountFault(
  rewrite: StoredCommit,
  { account, removed }: Pick<Rewritten, 'account' | 'removed'>,
): string | undefined {
  const own = added(NOTHING, rewrite)
  const { deadLetters } = account
  const messages = account.messages - removed
  const missing = account.missing + removed
  if (own.messages === messages && own.missing === missing && own.deadLetters === deadLetters) return undefined
  const less = removed === 0 ? '' : `, without ${removed} that were removed,`
  return `it has ${own.messages} messages, ${own.missing} missing and ${own.deadLetters} dead letters where the commits that it replaces${less} have ${messages}, ${missing} and ${deadLetters}`
}

/** Reads all rewrites of a folder and notes what is wrong with them. */
export async function checkRewrites(store: Store, notes: LaneNotes, signal: AbortSignal | undefined): Promise<RewritesCheck> {
  const { folder } = notes
  const keys = (await Array.fromAsync(rewriteKeys(store, folder, signal))).reverse()
  const links: RewriteLink[] = []
  const named = new Set<string>()
  const segmentsOf = new Map<RewriteLink, readonly string[]>()
  const removals = createRemovalsCheck(notes)
  for (const key of keys) {
    try {
      const rewrite = decodeCommit(key, await store.read(key, undefined, signal))
      const fault = rewriteFault(notes.rewrites, rewrite, { folder, lane: rewrite })
      if (fault !== undefined) notes.note('CHAIN_BROKEN', key, fault, rewrite.firstPosition)
      const link = linkOf(rewrite)
      notes.rewrites = headOf([link])
      links.push(link)
      removals.addRewrite(rewrite)
      for (const segment of rewrite.segments) {
        // What a removal leaves as it is, is named again.
        const isAgain = rewrite.removal !== undefined && rewriteOf(segment.key) !== link.sequence
        if (isAgain) continue
        if (named.has(segment.key))
          notes.note('CHAIN_BROKEN', key, `segment ${segment.key} is named by an earlier rewrite too`, segment.firstPosition)
        named.add(segment.key)
      }
      segmentsOf.set(
        link,
        rewrite.segments.map((segment) => segment.key),
      )
    } catch (error) {
      notes.noteError(error, key)
    }
  }
  const live = noted(notes, () => liveRewrites(links)) ?? []
  const liveKeys = new Set(live.flatMap((link) => segmentsOf.get(link)!))
  const older = links.filter((link) => !live.includes(link)).flatMap((link) => segmentsOf.get(link)!)
  const replaced = new Set(older.filter((key) => !liveKeys.has(key)))
  const sums = createSums(notes, live, links)
  return {
    named,
    replaced,
    of(commit) {
      removals.addCommit(commit)
      const { isReplaced, ...rewrite } = sums.of(commit)
      if (isReplaced) for (const { key } of commit.segments) if (!liveKeys.has(key)) replaced.add(key)
      return { isReplaced, ...rewrite }
    },
    end() {
      sums.end()
      removals.end()
    },
  }
}

/** Messages that a rewrite and those that it replaces have removed. */
const removedIn = (links: readonly RewriteLink[], { firstPosition, nextPosition, sequence }: RewriteLink): number =>
  links
    .filter((one) => one.sequence <= sequence && one.firstPosition >= firstPosition && one.nextPosition <= nextPosition)
    .reduce((sum, { removed }) => sum + removed, 0)

/** Compares what a rewrite covers with what its commits did. */
function createSums(
  notes: LaneNotes,
  live: readonly RewriteLink[],
  links: readonly RewriteLink[],
): Pick<RewritesCheck, 'of' | 'end'> {
  let replacing: Replacing | undefined = createReplacing(live)
  let account = NOTHING
  /** Notes the fault once: what follows from it would only be more of it. */
  const ask = <T>(act: (replacing: Replacing) => T): T | undefined => {
    if (replacing === undefined) return undefined
    const asked = replacing
    replacing = undefined
    return noted(notes, () => {
      const answer = act(asked)
      replacing = asked
      return answer
    })
  }
  return {
    of(commit) {
      const found = ask((rules) => rules.of(commit))
      if (found === undefined) return { isReplaced: false }
      account = added(account, commit)
      if (!found.isLast) return { isReplaced: true }
      const rewrite = { link: found.link, account, removed: removedIn(links, found.link) }
      account = NOTHING
      return { isReplaced: true, rewrite }
    },
    end() {
      ask((rules) => rules.end())
    },
  }
}

function noted<T>(notes: LaneNotes, act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    notes.noteError(error, isMillpondError(error) ? String(error.details['key']) : notes.folder)
    return undefined
  }
}
