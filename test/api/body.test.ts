import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createBodyBuffers } from '../../src/api/body-buffers.ts'
import { createBodyReader } from '../../src/api/body.ts'

const KiB = 1024

const reader = () => createBodyReader({ maxBodyBytes: 100 * KiB, maxHeldBytes: 150 * KiB })

/** Reads a body that comes in pieces of 7,000 bytes. */
function send(bodies: ReturnType<typeof reader>, body: Buffer, headers: Record<string, string>) {
  const stream = new PassThrough()
  const read = bodies.read(headers, stream)
  for (let at = 0; at < body.byteLength; at += 7000) stream.write(body.subarray(at, at + 7000))
  return { stream, read }
}

describe('createBodyReader', () => {
  it.each([
    { bytes: 0, announced: true },
    { bytes: 100, announced: true },
    { bytes: 16 * KiB, announced: true },
    { bytes: 50_001, announced: true },
    { bytes: 50_001, announced: false },
    { bytes: 100 * KiB, announced: true },
  ])('gives a body of $bytes bytes whole, its length announced: $announced', async ({ bytes, announced }) => {
    const bodies = reader()
    for (const fill of [1, 2, 3]) {
      const body = Buffer.alloc(bytes, fill)
      const { stream, read } = send(bodies, body, announced ? { 'content-length': String(bytes) } : {})
      stream.end()
      const got = await read
      expect(got.equals(body)).toBe(true)
      expect(bodies.heldBytes).toBe(bytes)
      bodies.release(got)
      expect(bodies.heldBytes).toBe(0)
    }
  })

  it('writes over a body that was released, and over no other', async () => {
    const bodies = reader()
    const headers = { 'content-length': '20000' }
    const take = async (fill: number) => {
      const { stream, read } = send(bodies, Buffer.alloc(20_000, fill), headers)
      stream.end()
      return read
    }
    const [first, second] = [await take(1), await take(2)]
    expect(second.buffer).not.toBe(first.buffer)
    bodies.release(first)
    const third = await take(3)
    expect(third.buffer).toBe(first.buffer)
    expect(second.equals(Buffer.alloc(20_000, 2))).toBe(true)
  })

  it('keeps a whole body that is not released, though its connection breaks', async () => {
    const bodies = reader()
    const { stream, read } = send(bodies, Buffer.alloc(20_000, 1), { 'content-length': '20000' })
    stream.end()
    const body = await read
    stream.emit('error', new Error('reset'))
    expect(bodies.heldBytes).toBe(20_000)
    const next = send(bodies, Buffer.alloc(20_000, 2), { 'content-length': '20000' })
    next.stream.end()
    await next.read
    expect(body.equals(Buffer.alloc(20_000, 1))).toBe(true)
  })

  it('holds nothing of a body that breaks off', async () => {
    const bodies = reader()
    const stream = new PassThrough()
    const read = bodies.read({ 'content-length': '30000' }, stream)
    stream.emit('data', Buffer.alloc(20_000))
    expect(bodies.heldBytes).toBe(20_000)
    stream.emit('error', new Error('reset'))
    await expect(read).rejects.toThrow('reset')
    expect(bodies.heldBytes).toBe(0)
  })
})

describe('createBodyBuffers', () => {
  it.each([
    { bytes: 16 * KiB - 1, size: undefined },
    { bytes: 16 * KiB, size: 16 * KiB },
    { bytes: 16 * KiB + 1, size: 32 * KiB },
    { bytes: 1024 * KiB, size: 1024 * KiB },
    { bytes: 1024 * KiB + 1, size: undefined },
  ])('has $size bytes for $bytes', ({ bytes, size }) => {
    expect(createBodyBuffers(0).take(bytes)?.byteLength).toBe(size)
  })

  it('keeps no more than it may', () => {
    const buffers = createBodyBuffers(32 * KiB)
    const taken = [1, 2, 3].map(() => buffers.take(16 * KiB)!)
    for (const buffer of taken) buffers.giveBack(buffer)
    const again = [1, 2, 3].map(() => buffers.take(16 * KiB)!)
    expect(again.filter((buffer) => taken.includes(buffer))).toHaveLength(2)
  })
})
