import { isMillpondError } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { StoredCommit } from './commit.ts'
import { decodeCommit } from './commit-codec.ts'
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
import type { LaneNotes } from './verify-report.ts'

/** What the rewrites of a lane say, as its commits are gone through in their order. */
export interface RewritesCheck {
  /** Keys of all data objects that rewrites name, also those that a later one has replaced. */
  readonly named: ReadonlySet<string>
  /** Of those, the keys of which a later rewrite has replaced. */
  readonly replaced: Set<string>
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
export function accountFault(rewrite: StoredCommit, { messages, missing, deadLetters }: Account): string | undefined {
  const own = added(NOTHING, rewrite)
  if (own.messages === messages && own.missing === missing && own.deadLetters === deadLetters) return undefined
  return `it has ${own.messages} messages, ${own.missing} missing and ${own.deadLetters} dead letters where the commits that it replaces have ${messages}, ${missing} and ${deadLetters}`
}

/** Reads all rewrites of a folder and notes what is wrong with them. */
export async function checkRewrites(store: Store, notes: LaneNotes, signal: AbortSignal | undefined): Promise<RewritesCheck> {
  const { folder } = notes
  const keys = (await Array.fromAsync(rewriteKeys(store, folder, signal))).reverse()
  const links: RewriteLink[] = []
  const named = new Set<string>()
  const segmentsOf = new Map<RewriteLink, readonly string[]>()
  for (const key of keys) {
    try {
      const rewrite = decodeCommit(key, await store.read(key, undefined, signal))
      const fault = rewriteFault(notes.rewrites, rewrite, { folder, lane: rewrite })
      if (fault !== undefined) notes.note('CHAIN_BROKEN', key, fault, rewrite.firstPosition)
      const link = linkOf(rewrite)
      notes.rewrites = headOf([link])
      links.push(link)
      for (const segment of rewrite.segments) {
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
  return {
    named,
    replaced: new Set(links.filter((link) => !live.includes(link)).flatMap((link) => segmentsOf.get(link)!)),
    ...createSums(notes, live),
  }
}

/** Compares what a rewrite covers with what its commits did. */
function createSums(notes: LaneNotes, live: readonly RewriteLink[]): Pick<RewritesCheck, 'of' | 'end'> {
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
      const rewrite = { link: found.link, account }
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
