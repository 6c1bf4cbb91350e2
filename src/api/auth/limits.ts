import { isIPv6 } from 'node:net'
import { MillpondError } from '../../errors.ts'
import type { CallerLimits, LimitsConfig } from '../../config/http-config.ts'
import type { Identity } from './identity.ts'
import { createRecent } from './lru.ts'

/** What a bucket says of one request. */
export interface Draw {
  readonly isGranted: boolean
  /** Whole tokens that are left. */
  readonly remaining: number
  /** How long until there is one; 0 where there is. */
  readonly waitMs: number
}

/** Token buckets by name: each holds `burst` at the most and gets `perSecond` more a second. */
export interface Buckets {
  readonly size: number
  /** Takes a token where there is one. */
  take(name: string): Draw
  /** Looks without taking. */
  look(name: string): Draw
}

interface Bucket {
  tokens: number
  atMs: number
}

/** Names that are remembered at once: one that is forgotten begins anew, and memory stays within some megabytes. */
const MAX_NAMES = 10_000

/** Buckets that are full until they are taken from. */
export function createBuckets(
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  nowMs: () => number,
  maxNames = MAX_NAMES,
): Buckets {
  const buckets = createRecent<Bucket>(maxNames)
  const draw = (name: string, count: 0 | 1): Draw => {
    const now = nowMs()
    const { tokens, atMs } = buckets.get(name) ?? { tokens: burst, atMs: now }
    const held = Math.min(burst, tokens + (Math.max(0, now - atMs) * perSecond) / 1000)
    const isGranted = held >= 1
    const left = isGranted ? held - count : held
    if (count === 1) buckets.set(name, { tokens: left, atMs: now })
    return { isGranted, remaining: Math.floor(left), waitMs: isGranted ? 0 : Math.ceil(((1 - held) * 1000) / perSecond) }
  }
  return {
    get size() {
      return buckets.size
    },
    take: (name) => draw(name, 1),
    look: (name) => draw(name, 0),
  }
}

/** Headers that go with an answer. */
export type Headers = Readonly<Record<string, string>>

/** Who asks; names of one way may also be there in another, as somebody else. */
export type LimitedCaller = Pick<Identity, 'via' | 'name'>

/** What is allowed of one caller, and of addresses whose requests are refused. */
export interface Limits {
  /** @throws MillpondError `TOO_MANY_REQUESTS` where the address had too many requests refused. */
  checkAddress(address: string): void
  /** Counts a request that was refused. */
  refused(address: string): void
  /**
   * Counts a request of a caller; the answer gets the headers.
   * @throws MillpondError `TOO_MANY_REQUESTS`.
   */
  begin(caller: LimitedCaller, tell: (headers: Headers) => void): void
  /** Whether `end` has to be called for every request of the caller that began. */
  countsOpen(caller: LimitedCaller): boolean
  end(caller: LimitedCaller): void
}

/** Limits of one server; `nowMs` need not be the time of day. */
export function createLimits({ refusedPerMinute, callers, ...others }: LimitsConfig, nowMs: () => number): Limits {
  const refusals = createBuckets({ perSecond: refusedPerMinute / 60, burst: refusedPerMinute }, nowMs)
  const ofOthers = createAllowance(others, nowMs)
  const byName = new Map(callers.map(({ name, ...own }) => [name, createAllowance(own, nowMs)]))
  const allowanceOf = ({ name }: LimitedCaller) => byName.get(name) ?? ofOthers
  return {
    checkAddress(address) {
      const { isGranted, waitMs } = refusals.look(network(address))
      if (!isGranted) throw tooMany('too many requests of this address were refused', waitMs)
    },
    refused: (address) => void refusals.take(network(address)),
    begin: (caller, tell) => allowanceOf(caller).begin(keyOf(caller), tell),
    countsOpen: (caller) => allowanceOf(caller).countsOpen,
    end: (caller) => allowanceOf(caller).end(keyOf(caller)),
  }
}

const keyOf = ({ via, name }: LimitedCaller): string => `${via}:${name}`

/** What is counted of callers for whom the same limits hold; each of them by itself. */
function createAllowance({ rate, burst = rate, concurrent }: CallerLimits, nowMs: () => number) {
  const calls = rate === undefined ? undefined : createBuckets({ perSecond: rate, burst: burst! }, nowMs)
  // Only callers with a request under way have an entry, so connections bound it.
  const open = new Map<string, number>()
  const checkOpen = (caller: string): void => {
    if (concurrent === undefined) return
    const count = open.get(caller) ?? 0
    if (count >= concurrent) throw tooMany(`${concurrent} requests of this caller are under way`, 1000)
    open.set(caller, count + 1)
  }
  return {
    countsOpen: concurrent !== undefined,
    begin(caller: string, tell: (headers: Headers) => void): void {
      if (calls !== undefined) {
        const { isGranted, remaining, waitMs } = calls.take(caller)
        const untilFullMs = ((burst! - remaining) * 1000) / rate!
        tell({
          'ratelimit-limit': String(burst),
          'ratelimit-remaining': String(remaining),
          'ratelimit-reset': String(Math.ceil(untilFullMs / 1000)),
        })
        if (!isGranted) throw tooMany(`this caller may ask ${rate} times a second`, waitMs)
      }
      checkOpen(caller)
    },
    end(caller: string): void {
      const count = open.get(caller) ?? 0
      if (count > 1) open.set(caller, count - 1)
      else open.delete(caller)
    },
  }
}

const tooMany = (why: string, waitMs: number): MillpondError =>
  new MillpondError('TOO_MANY_REQUESTS', `${why}; wait before you ask again`, {
    details: { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) },
  })

/** One subscriber has 2^64 addresses of version 6: they count as one. An address of version 4 in the form of version 6 is itself. */
function network(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':')
    while (groups.length + behind.length < 8) groups.push('0')
    groups.push(...behind)
  }
  return groups
    .slice(0, 4)
    .map((group) => group.padStart(4, '0'))
    .join(':')
}
