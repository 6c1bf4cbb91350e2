import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { csvFormat } from '../../src/encode/format-csv.ts'
import type { FormatOptions } from '../../src/encode/format-options.ts'
import { xerialFrame, xerialUnframe } from '../../src/kernel/snappy-xerial.ts'
import { messagesArbitrary } from '../batch/message-arbitrary.ts'
import { xerialDecompressTwin } from '../kernel/xerial-twin.ts'
import { blocksOf, fileOf } from './line-blocks.ts'

describe('snappy as snappy-java frames it', () => {
  it('is a stream a block, which are read and told apart again, whatever is in them', async () => {
    await fc.assert(
      fc.asyncProperty(
        messagesArbitrary({ minLength: 1, maxLength: 30 }),
        fc.integer({ min: 1, max: 2000 }),
        async (messages, blockBytes) => {
          const formatOptions: FormatOptions = { quoting: 'none', fields: ['key', 'value'], snappyFraming: 'xerial' }
          const blocks = await blocksOf('csv', [batchOf(messages)], { codec: 'snappy', formatOptions, blockBytes })
          const stored = blocks.map(({ bytes }) => bytes)
          const { header } = csvFormat.openFraming('snappy', new Uint8Array(16), undefined, formatOptions)
          const file = Buffer.concat([header, ...stored])
          const plain = await fileOf(await blocksOf('csv', [batchOf(messages)], { formatOptions, blockBytes }))
          expect(Buffer.from(xerialDecompressTwin(file))).toEqual(Buffer.concat([Buffer.from('key,value\n'), plain]))
          for (const one of stored) expect(Buffer.from(xerialUnframe(one, 1 << 20))).toEqual(xerialDecompressTwin(one))
          const found = await csvFormat.split!(file, formatOptions)
          let offset = header.byteLength
          const expected = stored.map(({ byteLength: bytes }) => ({ offset: (offset += bytes) - bytes, bytes }))
          expect(found.map((block) => ({ offset: block.offset, bytes: block.bytes }))).toEqual(expected)
        },
      ),
      { numRuns: 40 },
    )
  })

  it('refuses what is cut, and more than may come out', async () => {
    const stream = xerialFrame(Buffer.alloc(200_000, 'abc'))
    expect(xerialUnframe(stream, 200_000)).toHaveLength(200_000)
    expect(() => xerialUnframe(stream, 199_999)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
    for (const bytes of [17, 30, stream.byteLength - 1]) {
      const cut = stream.subarray(0, bytes)
      expect(() => xerialUnframe(cut, 200_000)).toThrow(expect.objectContaining({ code: 'BLOCK_CORRUPT' }))
      await expect(csvFormat.split!(cut)).rejects.toMatchObject({ code: 'SEGMENT_CORRUPT' })
    }
  })
})
