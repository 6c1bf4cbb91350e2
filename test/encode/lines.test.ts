import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type LineChunk, splitLines } from '../../src/encode/lines.ts'

async function* streamOf(parts: readonly (Uint8Array | string)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await Promise.resolve(Buffer.from(part))
}

const split = (
  parts: readonly (Uint8Array | string)[],
  options: { chunkBytes: number; maxLineBytes: number },
): Promise<LineChunk[]> => Array.fromAsync(splitLines(streamOf(parts), options))

const texts = (chunks: readonly LineChunk[]) => chunks.map(({ bytes, firstLine }) => [firstLine, Buffer.from(bytes).toString()])

describe('splitLines', () => {
  it.each([
    { from: 'nothing', parts: [], chunks: [] },
    { from: 'empty parts', parts: ['', ''], chunks: [] },
    { from: 'a line without its end', parts: ['a'], chunks: [[1, 'a']] },
    { from: 'a line', parts: ['a\n'], chunks: [[1, 'a\n']] },
    {
      from: 'lines that end in a later part',
      parts: ['a\nb\nc', 'd\n\ne'],
      chunks: [
        [1, 'a\nb\ncd\n\n'],
        [5, 'e'],
      ],
    },
    {
      from: 'a line as long as a chunk',
      parts: ['a\nbcdefgh\ni'],
      chunks: [
        [1, 'a\n'],
        [2, 'bcdefgh\n'],
        [3, 'i'],
      ],
    },
    {
      from: 'the longest line',
      parts: ['abcdefghijklmnop\nq'],
      chunks: [
        [1, 'abcdefghijklmnop\n'],
        [2, 'q'],
      ],
    },
  ])('makes chunks of 8 bytes from $from', async ({ parts, chunks }) => {
    expect(texts(await split(parts, { chunkBytes: 8, maxLineBytes: 16 }))).toEqual(chunks)
  })

  it('gives every byte once, cut at line ends, with the number of the first line', async () => {
    const part = fc.array(fc.constantFrom('a', '\n', '\r\n', 'bcd', 'é'), { maxLength: 20 }).map((all) => all.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 20 }), fc.integer({ min: 1, max: 40 }), async (parts, chunkBytes) => {
        const chunks = await split(parts, { chunkBytes, maxLineBytes: 10_000 })
        const before = (index: number) => chunks.slice(0, index).map(({ bytes }) => Buffer.from(bytes).toString())
        expect(before(chunks.length).join('')).toBe(parts.join(''))
        for (const [index, { bytes, firstLine }] of chunks.entries()) {
          expect(bytes.byteLength).toBeGreaterThan(0)
          expect(index === chunks.length - 1 || bytes.at(-1) === 10).toBe(true)
          expect(firstLine).toBe(before(index).join('').split('\n').length)
        }
      }),
    )
  })

  it('refuses a line past the limit, after the lines before it', async () => {
    const seen: unknown[] = []
    const reading = async () => {
      for await (const chunk of splitLines(streamOf(['ab\ncd\n', 'x'.repeat(20)]), { chunkBytes: 8, maxLineBytes: 16 }))
        seen.push(...texts([chunk]))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE', details: { line: 3, maxLineBytes: 16 } })
    expect(seen).toEqual([[1, 'ab\ncd\n']])
  })

  it('gives whole lines out while the stream pauses, and keeps what is not whole', async () => {
    const resume = Promise.withResolvers<undefined>()
    async function* pausing(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a\nb\nc')
      await resume.promise
      yield Buffer.from('d\n')
    }
    const chunks = splitLines(pausing(), { chunkBytes: 1024, maxLineBytes: 1024, lingerMs: 1 })
    expect(texts([(await chunks.next()).value!])).toEqual([[1, 'a\nb\n']])
    resume.resolve(undefined)
    expect(texts(await Array.fromAsync(chunks))).toEqual([[3, 'cd\n']])
  })

  it('passes on what the stream throws', async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield await Promise.resolve(Buffer.from('a\n'))
      throw new Error('disk gone')
    }
    await expect(Array.fromAsync(splitLines(failing(), { chunkBytes: 8, maxLineBytes: 8 }))).rejects.toThrow('disk gone')
  })

  it('ends the stream when its reader stops', async () => {
    let ended = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield await Promise.resolve(Buffer.from('a\n'))
      } finally {
        ended = true
      }
    }
    for await (const chunk of splitLines(endless(), { chunkBytes: 4, maxLineBytes: 4 })) {
      expect(chunk.firstLine).toBe(1)
      break
    }
    expect(ended).toBe(true)
  })
})
