import { spansOf } from './columns'

/** MurmurHash2 with Kafka's seed, 32 bits. Source: Apache Kafka, `org.apache.kafka.common.utils.Utils.murmur2`. */
const SEED: u32 = 0x9747b28c
const M: u32 = 0x5bd1e995

// @ts-ignore: decorator
@inline
export function murmur2(start: usize, length: u32): u32 {
  let hash: u32 = SEED ^ length
  let p = start
  let left = length
  while (left >= 4) {
    let k = load<u32>(p) * M
    k ^= k >>> 24
    hash = (hash * M) ^ (k * M)
    p += 4
    left -= 4
  }
  if (left > 0) {
    if (left == 3) hash ^= <u32>load<u8>(p, 2) << 16
    if (left >= 2) hash ^= <u32>load<u8>(p, 1) << 8
    hash = (hash ^ <u32>load<u8>(p)) * M
  }
  hash = (hash ^ (hash >>> 13)) * M
  return hash ^ (hash >>> 15)
}

/** Writes to `out` (i32 each) the partition of each message's key as Kafka's default partitioner chooses it; -1 for a null key. */
export function partitionKeys(columns: usize, n: u32, bytes: usize, partitions: u32, out: usize): void {
  const starts = spansOf(columns, n, 0)
  const ends = spansOf(columns, n, 1)
  for (let row: u32 = 0; row < n; row++) {
    const start = load<i32>(starts + (row << 2))
    const partition =
      start == -1 ? -1 : <i32>((murmur2(bytes + start, load<i32>(ends + (row << 2)) - start) & 0x7fffffff) % partitions)
    store<i32>(out + (row << 2), partition)
  }
}
