import { createRandom } from '../live/random.ts'

/** A message of the soak: what is sent, and what has to be found. */
export interface SoakMessage {
  readonly timestamp: number
  readonly key: Buffer
  readonly value: Buffer | null
  /** No name is there twice. */
  readonly headers: readonly { readonly name: string; readonly value: Buffer }[]
}

/** Which message of a partition it is: numbers from 0, never sent twice. */
export interface MessageId {
  readonly partition: number
  readonly number: number
}

const LARGE_BYTES = 32 * 1024
const LARGE_EVERY = 2_500
const NULL_EVERY = 101
const EMPTY_EVERY = 103
const MIN_BYTES = 120
const SPREAD_BYTES = 160

const pool = poolOf(1_000_003)
const EMPTY = Buffer.alloc(0)

/** Every message of a run follows from its number, so that none of them has to be kept to be compared. */
export function messageOf({ partition, number }: MessageId, startMs: number): SoakMessage {
  const at = (partition * 7_919 + number * 104_729) % (pool.length - LARGE_BYTES)
  const isLarge = number % LARGE_EVERY === LARGE_EVERY - 1
  const value = pool.subarray(at, at + (isLarge ? LARGE_BYTES : MIN_BYTES + (at % SPREAD_BYTES)))
  return {
    timestamp: startMs + number,
    key: Buffer.from(`${partition}-${number}`),
    value: number % NULL_EVERY === 0 ? null : number % EMPTY_EVERY === 0 ? EMPTY : value,
    headers: [
      { name: 'trace', value: pool.subarray(at, at + 16) },
      ...(number % 3 === 0 ? [{ name: 'nothing', value: EMPTY }] : []),
    ],
  }
}

/** Which message has this key; undefined where none of the soak's has. */
export function idOfKey(key: Uint8Array | null): MessageId | undefined {
  const [, partition, number] = (key === null ? null : /^(\d{1,4})-(\d{1,12})$/u.exec(Buffer.from(key).toString())) ?? []
  return partition === undefined ? undefined : { partition: Number(partition), number: Number(number) }
}

/** Bytes that no codec makes much smaller, of hexadecimal digits. */
function poolOf(byteCount: number): Buffer {
  const random = createRandom(1)
  const bytes = Buffer.alloc(byteCount)
  for (let at = 0; at < byteCount; at++) bytes[at] = '0123456789abcdef'.charCodeAt(Math.floor(random() * 16))
  return bytes
}
