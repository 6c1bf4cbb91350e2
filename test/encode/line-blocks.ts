import type { MessageBatch } from '../../src/batch/batch.ts'
import type { Codec, EncodedBlock, Format } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { decompressLines } from '../../src/encode/line-format.ts'
import type { EncoderOptions } from '../../src/encode/segment-format.ts'

export const lineCodecs = ['null', 'gzip', 'zstandard', 'snappy'] as const satisfies readonly Codec[]

/** The blocks that an encoder makes of the batches. */
export async function blocksOf(
  format: Format,
  batches: readonly MessageBatch[],
  options: Partial<EncoderOptions> = {},
): Promise<EncodedBlock[]> {
  const encoder = segmentFormat(format).createEncoder({ codec: 'null', lookups: [], blockBytes: 1 << 20, ...options })
  const blocks = batches.flatMap((batch) => encoder.add(batch))
  const last = encoder.flush()
  return Promise.all(last === undefined ? blocks : [...blocks, last])
}

/** What the blocks hold as one file. */
export const fileOf = async (blocks: readonly EncodedBlock[]): Promise<Buffer> =>
  Buffer.from(await decompressLines('json', blocks[0]?.codec ?? 'null', Buffer.concat(blocks.map(({ bytes }) => bytes))))

/** The lines that the blocks hold together, each without its end. */
export async function linesOf(blocks: readonly EncodedBlock[]): Promise<string[]> {
  const text = (await fileOf(blocks)).toString('utf8')
  return text === '' ? [] : text.slice(0, -1).split('\n')
}
