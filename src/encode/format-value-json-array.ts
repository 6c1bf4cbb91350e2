import { MillpondError } from '../errors.ts'
import { countLines } from './count-lines.ts'
import { valueJsonFormat, valueJsonShape } from './format-value-json.ts'
import { createLineEncoder, decompressLines, smallStream } from './line-format.ts'
import { splitLineFile } from './line-split.ts'
import { type FoundBlock, notReadable, type SegmentFormat } from './segment-format.ts'

const text = new TextEncoder()

/** What a file begins with, has between two messages, and ends in: the very bytes of Aiven's sinks. */
const OPEN = text.encode('[\n')
const BETWEEN = text.encode(',\n')
const CLOSE = text.encode('\n]')

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/**
 * What `value-json` writes, but each file one JSON array. Blocks are streams of their codec, and what stands between them and around them are small ones of
 * their own: what lies in front of a block, its comma, is a part of it.
 */
export const valueJsonArrayFormat: SegmentFormat = {
  extension: (codec, options) => valueJsonFormat.extension(codec, options),
  codecs: valueJsonFormat.codecs,
  keepsAll: false,
  mixesCodecs: false,
  hasTrailer: true,
  createEncoder: (options) =>
    createLineEncoder(
      'value-json-array',
      { ...valueJsonShape(options.formatOptions ?? {}, BETWEEN), droppedBytes: BETWEEN.byteLength },
      options,
    ),
  findUnencodable: (batch, options) => valueJsonFormat.findUnencodable(batch, options),
  openFraming(codec, _sync, _kind, options = {}) {
    const between = smallStream('value-json-array', codec, BETWEEN, options)
    let isFirst = true
    return {
      header: smallStream('value-json-array', codec, OPEN, options),
      frame({ bytes }) {
        const chunks = isFirst ? [bytes] : [between, bytes]
        isFirst = false
        return chunks
      },
      trailer: () => smallStream('value-json-array', codec, CLOSE, options),
    }
  },
  readHeader: () => ({ bytes: undefined, codec: undefined, sync: undefined }),
  ...notReadable('value-json-array'),
  countBlock: async (stored, codec) => countValues(await decompressLines('value-json-array', codec, stored)),
  rawOf: (stored, codec) => decompressLines('value-json-array', codec, stored),
  split: splitArray,
}

/** No value has a line break; the first block alone begins without one. */
const countValues = (lines: Uint8Array): number =>
  countLines(lines) + (isEqual(lines.subarray(0, BETWEEN.byteLength), BETWEEN) ? 0 : 1)

/** A comma alone belongs to the stream behind it, and the end of the array to none. */
async function splitArray(object: Uint8Array): Promise<readonly FoundBlock[]> {
  const contents: Uint8Array[] = []
  const count = (lines: Uint8Array) => {
    contents.push(lines)
    return countValues(lines)
  }
  const streams = await splitLineFile(object, { firstLine: OPEN, count })
  const last = contents.at(-1)
  if (last === undefined || !isEqual(last.subarray(-CLOSE.byteLength), CLOSE))
    throw new MillpondError('SEGMENT_CORRUPT', 'a JSON array does not end')
  const [only] = streams
  // Without compression all of it is one.
  if (streams.length === 1 && only !== undefined) {
    const values = last.subarray(0, -CLOSE.byteLength)
    return [{ offset: only.offset, bytes: only.bytes - CLOSE.byteLength, count: countValues(values) }]
  }
  const blocks: FoundBlock[] = []
  let between: FoundBlock | undefined
  for (const [at, stream] of streams.slice(0, -1).entries()) {
    if (isEqual(contents[at]!, BETWEEN)) {
      between = stream
      continue
    }
    const { offset, bytes } = between ?? { offset: stream.offset, bytes: 0 }
    blocks.push({ offset, bytes: bytes + stream.bytes, count: stream.count })
    between = undefined
  }
  return blocks
}
