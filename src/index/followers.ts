import { createHash } from 'node:crypto'
import { isMillpondError } from '../errors.ts'
import type { SegmentIndex } from './segment-index.ts'

/** Followers whose work it is go first: where there is one, services and archivers leave the chains to them. */
export type FollowerRole = 'follow' | 'serve'

/** One of those who follow the chains for one index. */
export interface Membership extends AsyncDisposable {
  /** Which chains, by their folders, are its own at this moment. Others may think the same of one for a while: that is harmless. */
  share(): Promise<(folder: string) => boolean>
}

/** Lives at the most so long after its last word, whatever became of it. */
export interface FollowerOptions {
  readonly role: FollowerRole
  /** Tells it from all others of its role. */
  readonly id: string
  readonly leaseMs: number
}

/** How often a follower says that it lives within its lease. */
const WORDS_A_LEASE = 3

/**
 * Joins those who follow the chains for an index. Each is dealt the chains for which it draws the highest lot (rendezvous hashing), so
 * that one that comes or goes moves no others. One that is killed is missed when its lease ends. An index that knows no followers, or
 * does not answer, leaves things as they were last: at first everything is its own.
 */
export function joinFollowers(index: SegmentIndex, { role, id, leaseMs }: FollowerOptions): Membership {
  const own = `${role}-${id}`
  let alive: readonly string[] = [own]
  const say = async (): Promise<void> => {
    try {
      alive = (await index.announce?.(own, leaseMs)) ?? alive
    } catch (error) {
      // It is said again; whoever uses the index is told.
      if (!isMillpondError(error)) throw error
    }
  }
  // A pass over a large archive takes longer than a lease.
  const timer = setInterval(() => void say(), leaseMs / WORDS_A_LEASE)
  timer.unref()
  return {
    async share() {
      await say()
      return shareOf(own, alive)
    },
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await index.announce?.(own, 0).catch(() => undefined)
    },
  }
}

/** Which chains are a follower's own among those that live. */
export function shareOf(own: string, alive: readonly string[]): (folder: string) => boolean {
  const followers = alive.filter((name) => name.startsWith('follow-'))
  if (followers.length > 0 && !own.startsWith('follow-')) return () => false
  const peers = followers.length > 0 ? followers : alive
  return (folder) => {
    const lot = lotOf(own, folder)
    return peers.every((peer) => peer === own || lotOf(peer, folder) < lot)
  }
}

const lotOf = (follower: string, folder: string): bigint =>
  createHash('sha256').update(`${follower}\0${folder}`).digest().readBigUInt64BE()
