import type { Versions } from './cluster-apis.ts'
import type { Divergence } from './lane-epochs.ts'
import { protocol } from './protocol.ts'

/** One partition in a fetch request. */
export interface FetchPartition {
  readonly topic: string
  /** Kafka's id; the name where there is none. */
  readonly topicId: string
  readonly partition: number
  readonly leaderEpoch: number
  readonly offset: number
  /** Of what lies before the offset; -1 where that is not known. */
  readonly lastFetchedEpoch: number
  readonly maxBytes: number
}

export interface FetchRequest {
  /** How long the broker waits until it has `minBytes`. */
  readonly maxWaitMs: number
  readonly minBytes: number
  readonly maxBytes: number
  readonly isolation: 'committed' | 'uncommitted'
  readonly rack: string
  readonly partitions: readonly FetchPartition[]
}

/** A transaction that was aborted, as far as it touches what was fetched. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** What a broker says of one partition. */
export interface FetchedPartition {
  /** The id where the version knows ids, otherwise the name. */
  readonly topic: string
  readonly partition: number
  readonly errorCode: number
  readonly highWatermark: number
  /** -1 where it is not known. */
  readonly lastStableOffset: number
  readonly logStartOffset: number
  readonly aborted: readonly AbortedTransaction[]
  /** There where the leader's log is not the one that was read up to the offset. */
  readonly diverging?: Divergence
  /** Whole record batches, the last of which may be cut; no other partition's bytes are held by it. */
  readonly records: Uint8Array
}

export interface FetchAnswer {
  readonly errorCode: number
  readonly byId: boolean
  readonly partitions: readonly FetchedPartition[]
}

type FetchVersions = Versions<[FetchRequest], FetchAnswer>

const FETCH_KEY = 1
/** From here on fields have compact lengths and tags. */
const FIRST_FLEXIBLE = 12
/** From here on topics are named by their ids. */
const FIRST_BY_ID = 13
/** From here on the replica is not said. */
const FIRST_WITHOUT_REPLICA = 15
const DIVERGING_TAG = 0

const TOPIC_ID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/u

export const isTopicId = (text: string): boolean => TOPIC_ID.test(text)

/** Memory for so many bytes. */
type Allocate = (bytes: number) => Uint8Array

/**
 * Our own reading and writing of Fetch: what holds messages is not touched, only copied to where `allocate` says. Layout: Kafka's
 * FetchRequest.json and FetchResponse.json.
 */
export function fetchVersions(allocate: Allocate = (bytes) => Buffer.allocUnsafeSlow(bytes)): {
  readonly byId: FetchVersions
  readonly byName: FetchVersions
} {
  const versionOf = (version: number) =>
    protocol.createAPI<[FetchRequest], FetchAnswer>(
      FETCH_KEY,
      version,
      (request: FetchRequest) => protocol.Writer.create().append(writeFetch(request, version)),
      (_correlation, _key, _version, reader) => readFetch({ bytes: reader.buffer.buffer, allocate }, version),
      version >= FIRST_FLEXIBLE,
      version >= FIRST_FLEXIBLE,
    )
  const byName = [12, 11].map(versionOf)
  return { byId: [...[17, 16, 15, 14, 13].map(versionOf), ...byName], byName }
}

/** Partitions by topic, as a request names them. */
function byTopic(partitions: readonly FetchPartition[], byId: boolean): Map<string, FetchPartition[]> {
  const topics = new Map<string, FetchPartition[]>()
  for (const partition of partitions) {
    const name = byId ? partition.topicId : partition.topic
    const there = topics.get(name)
    if (there === undefined) topics.set(name, [partition])
    else there.push(partition)
  }
  return topics
}

function writeFetch(request: FetchRequest, version: number): Buffer {
  const isFlexible = version >= FIRST_FLEXIBLE
  const isById = version >= FIRST_BY_ID
  const topics = byTopic(request.partitions, isById)
  const rack = Buffer.from(request.rack)
  const nameBytes = [...topics.keys()].reduce((sum, name) => sum + Math.max(16, Buffer.byteLength(name)), 0)
  const out = Buffer.allocUnsafe(64 + rack.byteLength + nameBytes + topics.size * 12 + request.partitions.length * 40)
  let at = 0
  const int32 = (value: number) => {
    at = out.writeInt32BE(value, at)
  }
  const length = (count: number) => {
    if (!isFlexible) return int32(count)
    let rest = count + 1
    while (rest > 0x7f) {
      at = out.writeUInt8((rest & 0x7f) | 0x80, at)
      rest >>>= 7
    }
    at = out.writeUInt8(rest, at)
  }
  const text = (bytes: Uint8Array) => {
    if (isFlexible) length(bytes.byteLength)
    else at = out.writeInt16BE(bytes.byteLength, at)
    out.set(bytes, at)
    at += bytes.byteLength
  }
  const int64 = (value: number) => {
    at = out.writeBigInt64BE(BigInt(value), at)
  }
  const tags = () => {
    if (isFlexible) at = out.writeUInt8(0, at)
  }
  if (version < FIRST_WITHOUT_REPLICA) int32(-1)
  int32(request.maxWaitMs)
  int32(request.minBytes)
  int32(request.maxBytes)
  at = out.writeInt8(request.isolation === 'committed' ? 1 : 0, at)
  // No session: every request says all it wants.
  int32(0)
  int32(-1)
  length(topics.size)
  for (const [name, partitions] of topics) {
    if (isById) at += out.write(name.replaceAll('-', ''), at, 'hex')
    else text(Buffer.from(name))
    length(partitions.length)
    for (const { partition, leaderEpoch, offset, lastFetchedEpoch, maxBytes } of partitions) {
      int32(partition)
      int32(leaderEpoch)
      int64(offset)
      if (isFlexible) int32(lastFetchedEpoch)
      int64(-1)
      int32(maxBytes)
      tags()
    }
    tags()
  }
  length(0)
  text(rack)
  tags()
  return out.subarray(0, at)
}

interface Answer {
  readonly bytes: Buffer
  readonly allocate: Allocate
}

function readFetch(received: Answer, version: number): FetchAnswer {
  const isFlexible = version >= FIRST_FLEXIBLE
  const isById = version >= FIRST_BY_ID
  const reader = createReader(received)
  const length = () => (isFlexible ? reader.unsignedVarint() - 1 : reader.int32())
  const tags = () => {
    if (!isFlexible) return
    for (let count = reader.unsignedVarint(); count > 0; count--) {
      reader.unsignedVarint()
      reader.skip(reader.unsignedVarint())
    }
  }
  /** The tags of a partition, of which only this one is of use. */
  const diverging = (): { diverging?: Divergence } => {
    let found = {}
    for (let count = isFlexible ? reader.unsignedVarint() : 0; count > 0; count--) {
      const tag = reader.unsignedVarint()
      const bytes = reader.unsignedVarint()
      if (tag === DIVERGING_TAG) {
        found = { diverging: { epoch: reader.int32(), endOffset: reader.int64() } }
        tags()
      } else reader.skip(bytes)
    }
    return found
  }
  reader.skip(4)
  const errorCode = reader.int16()
  reader.skip(4)
  const partitions: FetchedPartition[] = []
  for (let topicsLeft = length(); topicsLeft > 0; topicsLeft--) {
    const topic = isById ? uuidText(reader.bytes(16)) : reader.text(isFlexible ? length() : reader.int16())
    for (let left = length(); left > 0; left--) {
      const partition = reader.int32()
      const code = reader.int16()
      const highWatermark = reader.int64()
      const lastStableOffset = reader.int64()
      const logStartOffset = reader.int64()
      const aborted: AbortedTransaction[] = []
      for (let count = length(); count > 0; count--) {
        aborted.push({ producerId: reader.bigInt64(), firstOffset: reader.int64() })
        tags()
      }
      // The replica that would rather be read from.
      reader.skip(4)
      const records = reader.bytes(Math.max(0, length()))
      const offsets = { highWatermark, lastStableOffset, logStartOffset }
      partitions.push({ topic, partition, errorCode: code, ...offsets, aborted, records, ...diverging() })
    }
    tags()
  }
  return { errorCode, byId: isById, partitions }
}

function uuidText(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Reads an answer from its beginning to its end. */
interface Reader {
  int16(): number
  int32(): number
  /** As a number: offsets are far below 2^53. */
  int64(): number
  bigInt64(): bigint
  unsignedVarint(): number
  text(bytes: number): string
  skip(bytes: number): void
  /** A copy, in memory of its own. */
  bytes(count: number): Uint8Array
}

function createReader({ bytes: answer, allocate }: Answer): Reader {
  let at = 0
  /** The place of the next `count` bytes, which are passed over. */
  const take = (count: number): number => {
    if (count < 0 || count > answer.byteLength - at) throw new RangeError('a fetch answer is shorter than it says')
    at += count
    return at - count
  }
  return {
    int16: () => answer.readInt16BE(take(2)),
    int32: () => answer.readInt32BE(take(4)),
    int64() {
      const start = take(8)
      return answer.readInt32BE(start) * 2 ** 32 + answer.readUInt32BE(start + 4)
    },
    bigInt64: () => answer.readBigInt64BE(take(8)),
    unsignedVarint() {
      let value = 0
      for (let shift = 0; shift < 35; shift += 7) {
        const next = answer[take(1)]!
        value += (next & 0x7f) * 2 ** shift
        if (next < 0x80) return value
      }
      throw new RangeError('a length in a fetch answer is too long')
    },
    text(count) {
      const start = take(count)
      return answer.toString('utf8', start, start + count)
    },
    skip: (count) => void take(count),
    bytes(count) {
      const start = take(count)
      const copy = allocate(count)
      copy.set(answer.subarray(start, start + count))
      return copy
    },
  }
}
