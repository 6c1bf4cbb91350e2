import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PIECE_BYTES, Piecewise } from '../../src/encode/piecewise.ts'

/** A pool that counts what is out, and gives used pieces again. */
function countedPool() {
  const spare: Uint8Array[] = []
  const counts = { out: 0, made: 0 }
  return {
    counts,
    takePiece() {
      counts.out++
      const there = spare.pop()
      if (there === undefined) counts.made++
      return there ?? new Uint8Array(PIECE_BYTES)
    },
    giveBackPieces(pieces: readonly Uint8Array[]) {
      counts.out -= pieces.length
      spare.push(...pieces)
    },
  }
}

describe('bytes in pieces', () => {
  it('are what was pushed, take no more pieces than they fill, and give all of them back', () => {
    const pool = countedPool()
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 * PIECE_BYTES }), { maxLength: 6 }), (lengths) => {
        const bytes = new Piecewise(pool)
        const pushed = lengths.map((length, i) => new Uint8Array(length).fill(i + 1))
        for (const more of pushed) bytes.push(more)
        const wanted = Buffer.concat(pushed)
        expect(bytes.used).toBe(wanted.byteLength)
        expect(pool.counts.out).toBe(Math.ceil(wanted.byteLength / PIECE_BYTES))
        const joined = bytes.moveTo(new Uint8Array(wanted.byteLength + 10))
        expect(Buffer.compare(joined, wanted)).toBe(0)
        expect(pool.counts.out).toBe(0)
      }),
    )
    expect(pool.counts.made).toBeLessThanOrEqual(18)
  })
})
