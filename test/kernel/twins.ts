/** Plain twins of the kernel's functions: slow, short, and written from the specifications alone. */
const M64 = (1n << 64n) - 1n

export function crc32cTwin(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return ~crc >>> 0
}

/** XXH64, seed 0. Source: xxHash specification 0.1.1. */
export function xxhash64Twin(bytes: Uint8Array): bigint {
  const [p1, p2, p3, p4, p5] = [
    11400714785074694791n,
    14029467366897019727n,
    1609587929392839161n,
    9650029242287828579n,
    2870177450012600261n,
  ]
  const mask = (x: bigint) => x & M64
  const rotate = (x: bigint, n: bigint) => mask((x << n) | (x >> (64n - n)))
  const round = (lane: bigint, input: bigint) => mask(rotate(mask(lane + mask(input * p2)), 31n) * p1)
  const word = (at: number, size: number) => {
    let value = 0n
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!)
    return value
  }
  let at = 0
  let hash = p5
  if (bytes.length >= 32) {
    const lanes = [mask(p1 + p2), p2, 0n, mask(-p1)]
    for (; at + 32 <= bytes.length; at += 32) lanes.forEach((lane, i) => (lanes[i] = round(lane, word(at + 8 * i, 8))))
    hash = mask(rotate(lanes[0]!, 1n) + rotate(lanes[1]!, 7n) + rotate(lanes[2]!, 12n) + rotate(lanes[3]!, 18n))
    for (const lane of lanes) hash = mask((hash ^ round(0n, lane)) * p1 + p4)
  }
  hash = mask(hash + BigInt(bytes.length))
  for (; at + 8 <= bytes.length; at += 8) hash = mask(rotate(hash ^ round(0n, word(at, 8)), 27n) * p1 + p4)
  for (; at + 4 <= bytes.length; at += 4) hash = mask(rotate(hash ^ mask(word(at, 4) * p1), 23n) * p2 + p3)
  for (; at < bytes.length; at++) hash = mask(rotate(hash ^ mask(BigInt(bytes[at]!) * p5), 11n) * p1)
  hash = mask((hash ^ (hash >> 33n)) * p2)
  hash = mask((hash ^ (hash >> 29n)) * p3)
  return hash ^ (hash >> 32n)
}

/** Source: Apache Kafka, `Utils.murmur2` and `BuiltInPartitioner.partitionForKey`. */
export function partitionTwin(key: Uint8Array | null, partitions: number): number {
  if (key === null) return -1
  const m = 0x5bd1e995
  let h = 0x9747b28c ^ key.length
  let i = 0
  for (; i + 4 <= key.length; i += 4) {
    let k = key[i]! | (key[i + 1]! << 8) | (key[i + 2]! << 16) | (key[i + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  if (i < key.length) {
    for (let j = key.length - 1; j >= i; j--) h ^= key[j]! << (8 * (j - i))
    h = Math.imul(h, m)
  }
  h ^= h >>> 13
  h = Math.imul(h, m)
  h ^= h >>> 15
  return (h & 0x7fffffff) % partitions
}

/** Snappy's block format, decoded; throws for anything else. Source: google/snappy, format_description.txt. */
export function snappyDecompressTwin(bytes: Uint8Array): Uint8Array {
  let at = 0
  const next = () => {
    if (at >= bytes.length) throw new Error('truncated')
    return bytes[at++]!
  }
  const little = (count: number) => {
    let value = 0
    for (let i = 0; i < count; i++) value += next() * 256 ** i
    return value
  }
  let length = 0
  for (let shift = 0; ; shift += 7) {
    if (shift > 28) throw new Error('length')
    const byte = next()
    length += (byte & 127) * 2 ** shift
    if (byte < 128) break
  }
  const out: number[] = []
  while (at < bytes.length) {
    const tag = next()
    if ((tag & 3) === 0) {
      const code = tag >> 2
      const size = (code < 60 ? code : little(code - 59)) + 1
      if (size > length - out.length) throw new Error('too long')
      for (let i = 0; i < size; i++) out.push(next())
      continue
    }
    const isShort = (tag & 3) === 1
    const size = isShort ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const offset = isShort ? (tag >> 5) * 256 + next() : little((tag & 3) === 2 ? 2 : 4)
    if (offset === 0 || offset > out.length || size > length - out.length) throw new Error('copy')
    for (let i = 0; i < size; i++) out.push(out[out.length - offset]!)
  }
  if (out.length !== length) throw new Error('length')
  return Uint8Array.from(out)
}

const SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31].map(BigInt)

/** A split-block Bloom filter. Source: Apache Parquet format, BloomFilter.md. */
/** A look-up filter, by the words of `src/encode/lookup.ts`. */
export function lookupTwin(hashes: readonly bigint[], buckets: number): Uint8Array {
  const held = Array.from({ length: buckets }, (): number[] => [])
  for (const hash of hashes) held[Number(((hash >> 32n) * BigInt(buckets)) >> 32n)]!.push(Number(hash & 0xffffn))
  const numbers = new Uint8Array(Math.ceil(buckets / 2))
  for (const [bucket, values] of held.entries()) numbers[bucket >> 1]! |= Math.min(15, values.length) << (4 * (bucket & 1))
  const kept = held.filter((values) => values.length < 15).flatMap((values) => values.toSorted((a, b) => a - b))
  return Buffer.concat([numbers, ...kept.map((value) => Buffer.of(value & 0xff, value >> 8))])
}

export function filterTwin(hashes: readonly bigint[], buckets: number): Uint8Array {
  const words = new Uint32Array(buckets * 8)
  for (const hash of hashes) {
    const bucket = Number(((hash >> 32n) * BigInt(buckets)) >> 32n)
    SALTS.forEach((salt, word) => {
      words[bucket * 8 + word]! |= 1 << Number((((hash & 0xffff_ffffn) * salt) & 0xffff_ffffn) >> 27n)
    })
  }
  return new Uint8Array(words.buffer)
}

/** Whether the bytes are UTF-8, by the platform's decoder. */
export function isUtf8Twin(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
