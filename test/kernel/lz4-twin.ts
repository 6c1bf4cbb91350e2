import * as fc from 'fast-check'

const rotate = (x: number, n: number) => (x << n) | (x >>> (32 - n))

/** XXH32, seed 0. Source: xxHash specification 0.1.1. */
export function xxhash32Twin(bytes: Uint8Array): number {
  const [p1, p2, p3, p4, p5] = [2654435761, 2246822519, 3266489917, 668265263, 374761393]
  const word = (at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true)
  let at = 0
  let hash = p5
  if (bytes.length >= 16) {
    const lanes = [p1 + p2, p2, 0, -p1]
    for (; at + 16 <= bytes.length; at += 16) {
      lanes.forEach((lane, i) => (lanes[i] = Math.imul(rotate(lane + Math.imul(word(at + 4 * i), p2), 13), p1)))
    }
    hash = rotate(lanes[0]!, 1) + rotate(lanes[1]!, 7) + rotate(lanes[2]!, 12) + rotate(lanes[3]!, 18)
  }
  hash = (hash + bytes.length) | 0
  for (; at + 4 <= bytes.length; at += 4) hash = Math.imul(rotate(hash + Math.imul(word(at), p3), 17), p4)
  for (; at < bytes.length; at++) hash = Math.imul(rotate(hash + Math.imul(bytes[at]!, p5), 11), p1)
  hash = Math.imul(hash ^ (hash >>> 15), p2)
  hash = Math.imul(hash ^ (hash >>> 13), p3)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** One block, decoded behind `out`, in which matches may reach back to `window`. Source: lz4_Block_format.md. */
function decodeBlock(bytes: Uint8Array, out: number[], window: number): void {
  let at = 0
  const next = () => {
    if (at >= bytes.length) throw new Error('truncated')
    return bytes[at++]!
  }
  const more = (nibble: number) => {
    let length = nibble
    if (nibble === 15) for (let byte = 255; byte === 255;) length += byte = next()
    return length
  }
  for (;;) {
    const token = next()
    const literals = more(token >> 4)
    if (literals > bytes.length - at) throw new Error('truncated')
    for (let i = 0; i < literals; i++) out.push(next())
    if (at === bytes.length) return
    const offset = next() + 256 * next()
    const length = more(token & 15) + 4
    if (offset === 0 || offset > out.length - window) throw new Error('offset')
    for (let i = 0; i < length; i++) out.push(out[out.length - offset]!)
  }
}

/** Frames, decoded; throws for anything else. Source: lz4_Frame_format.md 1.6.4. */
export function lz4DecompressTwin(bytes: Uint8Array): Uint8Array {
  let at = 0
  const out: number[] = []
  const take = (count: number) => {
    if (count > bytes.length - at) throw new Error('truncated')
    at += count
    return bytes.subarray(at - count, at)
  }
  const number = (count: number) => take(count).reduceRight((sum, byte) => sum * 256 + byte, 0)
  while (at < bytes.length) {
    const magic = number(4)
    if (magic >= 0x184d2a50 && magic <= 0x184d2a5f) {
      take(number(4))
      continue
    }
    if (magic !== 0x184d2204) throw new Error('magic')
    const descriptorAt = at
    const flags = number(1)
    const descriptor = number(1)
    const maxBlock = [65_536, 262_144, 1_048_576, 4_194_304][(descriptor >> 4) - 4]
    if (flags >> 6 !== 1 || (flags & 3) !== 0 || maxBlock === undefined || (descriptor & 15) !== 0) throw new Error('descriptor')
    const size = flags & 8 ? number(8) : undefined
    const hash = xxhash32Twin(bytes.slice(descriptorAt, at))
    if (number(1) !== ((hash >> 8) & 255)) throw new Error('descriptor checksum')
    const frame = out.length
    for (;;) {
      const word = number(4)
      if (word === 0) break
      const stored = take(word % 2 ** 31)
      const block = out.length
      if (stored.length > maxBlock) throw new Error('block size')
      if (word >= 2 ** 31) out.push(...stored)
      else decodeBlock(stored, out, flags & 32 ? block : frame)
      if (out.length - block > maxBlock) throw new Error('block size')
      if (flags & 16 && number(4) !== xxhash32Twin(stored.slice())) throw new Error('block checksum')
    }
    if (size !== undefined && size !== out.length - frame) throw new Error('content size')
    if (flags & 4 && number(4) !== xxhash32Twin(Uint8Array.from(out.slice(frame)))) throw new Error('content checksum')
  }
  return Uint8Array.from(out)
}

const little = (value: number, count: number) => Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** i) % 256)

/** The rest of a length behind its half of the token. */
const rest = (value: number) =>
  value < 15 ? [] : [...Array<number>(Math.floor((value - 15) / 255)).fill(255), (value - 15) % 255]

interface Sequence {
  readonly literals: Uint8Array
  readonly back: number
  readonly length: number
}

/** A block of these sequences, put behind `out`; `back` chooses an offset among those that there are. */
function encodeBlock(sequences: readonly Sequence[], out: number[], window: number): number[] {
  const block: number[] = []
  let literals: number[] = []
  for (const { literals: more, back, length } of sequences) {
    literals.push(...more)
    out.push(...more)
    const most = Math.min(65_535, out.length - window)
    if (most === 0) continue
    const offset = 1 + (back % most)
    block.push((Math.min(15, literals.length) << 4) | Math.min(15, length - 4), ...rest(literals.length), ...literals)
    block.push(...little(offset, 2), ...rest(length - 4))
    for (let i = 0; i < length; i++) out.push(out[out.length - offset]!)
    literals = []
  }
  block.push(Math.min(15, literals.length) << 4, ...rest(literals.length), ...literals)
  return block
}

const sequence = fc.record({
  literals: fc.uint8Array({ maxLength: 40 }),
  back: fc.oneof(fc.nat(20), fc.nat(70_000)),
  length: fc.oneof(fc.integer({ min: 4, max: 40 }), fc.integer({ min: 4, max: 700 })),
})
const block = fc.record({ isStored: fc.boolean(), sequences: fc.array(sequence, { maxLength: 12 }) })
const frame = fc.oneof(
  { weight: 1, arbitrary: fc.record({ skipped: fc.uint8Array({ maxLength: 20 }), number: fc.nat(15) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      blocks: fc.array(block, { maxLength: 4 }),
      isLinked: fc.boolean(),
      hasBlockChecksum: fc.boolean(),
      hasSize: fc.boolean(),
      hasChecksum: fc.boolean(),
      maxBlock: fc.integer({ min: 4, max: 7 }),
    }),
  },
)

/** Frames with every choice that the format leaves to the writer, and what is in them. */
export const lz4Frames: fc.Arbitrary<{ bytes: Uint8Array; content: Uint8Array }> = fc
  .array(frame, { minLength: 1, maxLength: 3 })
  .map((frames) => {
    const bytes: number[] = []
    const content: number[] = []
    for (const part of frames) {
      if ('skipped' in part) {
        bytes.push(...little(0x184d2a50 + part.number, 4), ...little(part.skipped.length, 4), ...part.skipped)
        continue
      }
      const { blocks, isLinked, hasBlockChecksum, hasSize, hasChecksum, maxBlock } = part
      const start = content.length
      const encoded = blocks.flatMap(({ isStored, sequences }) => {
        const from = content.length
        const compressed = encodeBlock(sequences, content, isLinked ? start : from)
        const stored = isStored ? content.slice(from) : compressed
        if (stored.length === 0) return []
        const checksum = hasBlockChecksum ? little(xxhash32Twin(Uint8Array.from(stored)), 4) : []
        return [...little(stored.length + (isStored ? 2 ** 31 : 0), 4), ...stored, ...checksum]
      })
      const flags = 0x40 | (isLinked ? 0 : 32) | (hasBlockChecksum ? 16 : 0) | (hasSize ? 8 : 0) | (hasChecksum ? 4 : 0)
      const descriptor = [flags, maxBlock << 4, ...(hasSize ? little(content.length - start, 8) : [])]
      bytes.push(...little(0x184d2204, 4), ...descriptor, (xxhash32Twin(Uint8Array.from(descriptor)) >> 8) & 255)
      bytes.push(...encoded, ...little(0, 4))
      if (hasChecksum) bytes.push(...little(xxhash32Twin(Uint8Array.from(content.slice(start))), 4))
    }
    return { bytes: Uint8Array.from(bytes), content: Uint8Array.from(content) }
  })
