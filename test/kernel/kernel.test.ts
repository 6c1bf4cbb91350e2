import { describe, expect, it } from 'vitest'
import { crc32c } from '../../src/kernel/checksum.ts'
import { createKernel, SLACK_BYTES, USUAL_ARENA_BYTES, withKernel } from '../../src/kernel/kernel.ts'

describe('withKernel', () => {
  it('gives the same instance for usual needs and one of its own, large enough, past them', () => {
    const usual = withKernel(1, (kernel) => kernel)
    expect(withKernel(USUAL_ARENA_BYTES, (kernel) => kernel)).toBe(usual)
    const needed = USUAL_ARENA_BYTES + 1
    const large = withKernel(needed, (kernel) => kernel)
    expect(large).not.toBe(usual)
    expect(large.arenaEnd - large.arenaStart).toBeGreaterThanOrEqual(needed)
    expect(large.bytes.byteLength).toBeGreaterThanOrEqual(large.arenaEnd + SLACK_BYTES)
  })
  it('keeps a larger instance while it is wanted now and then, but no huge one', () => {
    const take = (arenaBytes: number) => withKernel(arenaBytes, (kernel) => kernel)
    const large = take(3 * USUAL_ARENA_BYTES)
    for (let call = 0; call < 4000; call++) take(1)
    expect(take(2 * USUAL_ARENA_BYTES) === large).toBe(true)
    for (let call = 0; call < 5000; call++) take(1)
    expect(take(2 * USUAL_ARENA_BYTES) === large).toBe(false)
    const huge = take(5 * USUAL_ARENA_BYTES)
    expect(take(5 * USUAL_ARENA_BYTES) === huge).toBe(false)
  })
  it('refuses what passes 4 GiB', () => {
    expect(() => withKernel(2 ** 32, () => 0)).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }))
  })
  it('refuses nested calls, and serves again afterwards', () => {
    expect(() => withKernel(1, () => withKernel(1, () => 0))).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(withKernel(1, () => 7)).toBe(7)
  })
  it('turns a trap into an error and goes on with a fresh instance', () => {
    const before = withKernel(1, (kernel) => kernel)
    const trap = () => withKernel(1, ({ exports, bytes }) => exports.crc32c(0, bytes.byteLength - 8, 1000))
    expect(trap).toThrow(expect.objectContaining({ code: 'INTERNAL' }))
    expect(withKernel(1, (kernel) => kernel)).not.toBe(before)
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283)
  })
  it('passes on what its caller throws', () => {
    expect(() =>
      withKernel(1, () => {
        throw new RangeError('mine')
      }),
    ).toThrow(new RangeError('mine'))
  })
})

describe('createKernel', () => {
  it('begins its arena at a multiple of 64', () => {
    const kernel = createKernel(1)
    expect(kernel.arenaStart % 64).toBe(0)
    expect(kernel.arenaEnd).toBeGreaterThan(kernel.arenaStart)
  })
})
