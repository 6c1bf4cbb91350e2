import { MillpondError, wrapError } from '../errors.ts'
import { MAX_BATCH_BYTES } from '../batch/builder.ts'
import { countLines } from './count-lines.ts'
import { readJson } from './json-lines-read.ts'
import { decompressLines, lineFormat } from './line-format.ts'
import type { EncoderOptions } from './segment-format.ts'

const text = new TextEncoder()

/** What a line begins with; its position follows. */
function lineStart(origin: EncoderOptions['origin']): Uint8Array {
  const place = origin === undefined ? '' : `"topic":${JSON.stringify(origin.topic)},"lane":${JSON.stringify(origin.lane)},`
  return text.encode(`{${place}"position":`)
}

/** JSON lines that lose nothing; see docs/formats.md. */
export const jsonFormat = lineFormat({
  name: 'json',
  keepsAll: true,
  extension: () => 'json',
  shape: (_options, origin) => ({
    steps: [
      { write: 'literal', bytes: lineStart(origin) },
      { write: 'envelope' },
      { write: 'literal', bytes: Uint8Array.of(0x0a) },
    ],
    checks: [],
  }),
  count: countLines,
  async readBlock(stored, codec) {
    const lines = await decompressLines('json', codec, stored)
    try {
      const batch = readJson(lines, { mode: 'stored', firstLine: 1, nowMs: 0, maxMessageBytes: MAX_BATCH_BYTES })
      for (let row = 1; row < batch.count; row++) {
        if (batch.positions[row]! <= batch.positions[row - 1]!)
          throw new MillpondError('BLOCK_CORRUPT', `position ${batch.positions[row]} follows ${batch.positions[row - 1]}`)
      }
      return batch
    } catch (error) {
      const { message } = wrapError(error, 'BLOCK_CORRUPT', 'lines cannot be read')
      throw new MillpondError('BLOCK_CORRUPT', `a block of JSON lines cannot be read: ${message}`, { cause: error })
    }
  },
  openBlock: async () => undefined,
})
