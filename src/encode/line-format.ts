import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { snappyFrame, snappyUnframe } from '../kernel/snappy-frame.ts'
import { isXerial, xerialFrame, xerialUnframe } from '../kernel/snappy-xerial.ts'
import type { Codec, PlainBlock, StoredCodec } from './block.ts'
import { type BlockEncoder, createRowEncoder } from './block-encoder.ts'
import { compress, compressNow, type CompressOptions, decompress, type LateBytes, MAX_RAW_BYTES } from './codec.ts'
import type { FormatOptions } from './format-options.ts'
import { findFailing, type LineCheck, passAll } from './line-checks.ts'
import { lineProgram, type LineStep, lineWriter } from './line-program.ts'
import { splitLineFile } from './line-split.ts'
import type { EncoderOptions, SegmentFormat } from './segment-format.ts'

/** What is written for each message of a lane, and what messages must be for it. */
export interface LineShape {
  readonly steps: readonly LineStep[]
  readonly checks: readonly LineCheck[]
  /** Written once at the beginning of a segment. */
  readonly firstLine?: Uint8Array
  /** Bytes at the end of each block that are left out: what stands between messages and not behind them. */
  readonly droppedBytes?: number
}

/** Compression of lines: each block is a whole stream of its codec, so that streams one behind the other are the file. */
const LINE_CODECS = ['zstandard', 'gzip', 'snappy', 'null'] as const satisfies readonly Codec[]
type LineCodec = (typeof LINE_CODECS)[number]

const endings: Readonly<Record<LineCodec, string>> = { zstandard: '.zst', gzip: '.gz', snappy: '.snappy', null: '' }
const NO_BYTES = new Uint8Array(0)

/** Whether lines can be compressed so. */
export const isLineCodec = (codec: StoredCodec): codec is LineCodec => LINE_CODECS.some((one) => one === codec)

/** What names of files in the codec end in. */
export const lineEnding = (codec: StoredCodec): string => (isLineCodec(codec) ? endings[codec] : '')

function lineCodec(format: string, codec: StoredCodec): LineCodec {
  if (isLineCodec(codec)) return codec
  throw new MillpondError('FORMAT_UNSUPPORTED', `the format ${format} has no codec ${codec}`)
}

/** How Snappy's streams look, as the options say. */
const snappyOf = ({ snappyFraming }: FormatOptions) => (snappyFraming === 'xerial' ? xerialFrame : snappyFrame)

/** Compresses lines as one stream of the codec. */
export async function compressLines(
  codec: Codec,
  lines: Uint8Array | LateBytes,
  options: CompressOptions = {},
  formatOptions: FormatOptions = {},
): Promise<Uint8Array> {
  if (codec === 'snappy') return snappyOf(formatOptions)(lines instanceof Uint8Array ? lines : lines.join())
  return compress(codec, lines, options)
}

/** The lines of streams of the codec. @throws MillpondError `BLOCK_CORRUPT`. */
export async function decompressLines(format: string, codec: StoredCodec, stored: Uint8Array): Promise<Uint8Array> {
  const known = lineCodec(format, codec)
  if (known !== 'snappy') return decompress(known, stored)
  return (isXerial(stored) ? xerialUnframe : snappyUnframe)(stored, MAX_RAW_BYTES)
}

/** What the formats of lines differ in. */
interface LineFormatRules extends Pick<SegmentFormat, 'keepsAll' | 'readBlock' | 'openBlock'> {
  readonly name: PlainBlock['format']
  readonly extension: (options: FormatOptions) => string
  readonly shape: (options: FormatOptions, origin: EncoderOptions['origin']) => LineShape
  /** How many messages lines hold. */
  readonly count: (lines: Uint8Array, options: FormatOptions) => number
  /** Whether nothing but the commit knows how many messages there are: a value may hold what is between values. */
  readonly isAmbiguous?: true
}

/** A format that writes each message as a line, or something like it. */
export function lineFormat({ name, extension, shape, count, isAmbiguous, ...reading }: LineFormatRules): SegmentFormat {
  return {
    ...reading,
    extension: (codec, options = {}) => extension(options) + endings[lineCodec(name, codec)],
    codecs: LINE_CODECS,
    mixesCodecs: false,
    createEncoder: (options) => createLineEncoder(name, shape(options.formatOptions ?? {}, options.origin), options),
    findUnencodable(batch: MessageBatch, options = {}) {
      const { steps, checks } = shape(options, undefined)
      return findFailing(batch, checks, lineProgram(steps))
    },
    openFraming(codec, _sync, _kind, options = {}) {
      const { firstLine } = shape(options, undefined)
      return {
        header: firstLine === undefined ? NO_BYTES : smallStream(name, codec, firstLine, options),
        frame: ({ bytes }) => [bytes],
      }
    },
    // A first line is a stream of its own, and nothing but the commit says whether there is one.
    readHeader: () => ({ bytes: undefined, codec: undefined, sync: undefined }),
    ...(isAmbiguous !== true && {
      countBlock: async (stored, codec) => count(await decompressLines(name, codec, stored), {}),
    }),
    rawOf: (stored, codec) => decompressLines(name, codec, stored),
    split(object, options = {}) {
      const { firstLine } = shape(options, undefined)
      return splitLineFile(object, { firstLine, count: (lines) => count(lines, options) })
    },
  }
}

/** Few bytes as a stream of their own, made at once. */
export function smallStream(format: string, codec: StoredCodec, content: Uint8Array, options: FormatOptions = {}): Uint8Array {
  const known = lineCodec(format, codec)
  if (known === 'null') return content
  return known === 'snappy' ? snappyOf(options)(content) : compressNow(known, content)
}

/** All but the last bytes. */
function without(lines: LateBytes, droppedBytes: number): LateBytes {
  if (droppedBytes === 0) return lines
  const byteLength = lines.byteLength - droppedBytes
  return { byteLength, join: () => lines.join().subarray(0, byteLength) }
}

/** An encoder of blocks of lines of this shape. */
export function createLineEncoder(
  format: PlainBlock['format'],
  shape: LineShape,
  options: EncoderOptions,
): BlockEncoder<PlainBlock> {
  const codec = lineCodec(format, options.codec)
  const { steps, checks, droppedBytes = 0 } = shape
  return createRowEncoder<PlainBlock>(
    {
      writer: lineWriter(lineProgram(steps)),
      areEncodable: (rows) => passAll(checks, rows),
      compressBlock: async ({ count, firstPosition, lastPosition, minTimestamp, maxTimestamp, filters }, lines, compression) => ({
        format,
        codec,
        bytes: await compressLines(
          codec,
          without(lines, droppedBytes),
          { ...compression, level: options.level },
          options.formatOptions,
        ),
        rawBytes: lines.byteLength - droppedBytes,
        count,
        firstPosition,
        lastPosition,
        minTimestamp,
        maxTimestamp,
        filters,
      }),
    },
    options,
  )
}
