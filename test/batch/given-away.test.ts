import { describe, expect, it } from 'vitest'
import { free, giveAway, keepAll } from '../../src/batch/given-away.ts'

const KiB = 1024

describe('memory that is given away', () => {
  it('is gone for all who look at it, as soon as it is freed', () => {
    const bytes = giveAway(new Uint8Array(64 * KiB).fill(1))
    const view = bytes.subarray(10, 20)
    free(view)
    expect([bytes.length, view.length]).toEqual([0, 0])
    expect(() => free(view)).not.toThrow()
  })

  it.each([
    { what: 'nobody gave away', bytes: new Uint8Array(64 * KiB) },
    { what: 'is small', bytes: giveAway(new Uint8Array(KiB)) },
    { what: 'threads share', bytes: giveAway(new Uint8Array(new SharedArrayBuffer(64 * KiB))) },
  ])('is left alone where it $what', ({ bytes }) => {
    const { length } = bytes
    free(bytes)
    expect(bytes.length).toBe(length)
  })

  it('is left alone where that was taken back', () => {
    const bytes = giveAway(new Uint8Array(64 * KiB))
    keepAll(bytes.subarray(1))
    free(bytes)
    expect(bytes.length).toBe(64 * KiB)
  })
})
