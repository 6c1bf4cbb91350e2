import type { MessageBatch } from '../batch/batch.ts'
import type { UnencodableMessage } from './avro-block.ts'
import { blockFrame, isCodec } from './avro-container.ts'
import { avroFileHeader } from './avro-file.ts'
import type { Codec, PlainBlock } from './block.ts'
import { type BlockEncoder, createRowEncoder } from './block-encoder.ts'
import { compress } from './codec.ts'
import { delimiterBytes, type FormatOptions } from './format-options.ts'
import { findFailing, type LineCheck, passAll } from './line-checks.ts'
import { compressLines, isLineCodec, lineEnding } from './line-format.ts'
import { lineProgram, type LineStep, lineWriter } from './line-program.ts'
import { parquetFraming } from './parquet-footer.ts'
import { createSiblingEncoder } from './parquet-sibling.ts'
import type { SiblingEntry } from './segment.ts'
import type { EncoderOptions, SegmentFraming } from './segment-format.ts'
import { MillpondError } from '../errors.ts'

/** What an object beside a segment holds of the same messages. */
type SiblingRole = SiblingEntry['role']

/** How it is written; headers have no `raw`. */
export type SiblingFormat = 'avro' | 'json' | 'parquet' | 'raw'

type RowFormat = Exclude<SiblingFormat, 'parquet'>

/** Objects beside segments of one role and format: the keys or the headers of the same messages, in the same order, in blocks of their own. */
export interface Sibling {
  /** The end of a file's name behind `keys.` or `headers.`, without a dot. */
  extension(codec: Codec): string
  /** Takes the messages that the segment gets; its blocks need not be cut where those of the segment are. */
  createEncoder(options: EncoderOptions): BlockEncoder
  findUnencodable(batch: MessageBatch): UnencodableMessage[]
  openFraming(codec: Codec, sync: Uint8Array): SegmentFraming
}

/** Headers as Kafka Connect's sinks write them in Avro: a list of names and values, both text. */
const HEADERS_SCHEMA = {
  type: 'array',
  items: {
    type: 'record',
    name: 'Header',
    fields: [
      { name: 'key', type: 'string' },
      { name: 'value', type: ['null', 'string'] },
    ],
  },
} as const

const text = new TextEncoder()
const literal = (words: string): LineStep => ({ write: 'literal', bytes: text.encode(words) })
const LINE_END = literal('\n')

interface Shape {
  readonly steps: readonly LineStep[]
  readonly checks: readonly LineCheck[]
  /** Of Avro files. */
  readonly schema?: unknown
}

/** Whether siblings of the format can have the codec. */
export function hasCodec(format: SiblingFormat, codec: Codec): boolean {
  if (format === 'parquet') return true
  return format === 'avro' ? isCodec(codec) : isLineCodec(codec)
}

/**
 * Siblings of this role in this format. Keys are text, or with `keyEncoding: 'base64'` bytes; in JSON those are base64. A key that is null is null in Avro,
 * JSON and Parquet, and nothing but its delimiter in `raw`.
 * @throws MillpondError `FORMAT_UNSUPPORTED` for headers in `raw`.
 */
export const siblingOf = (role: SiblingRole, format: SiblingFormat, options: FormatOptions = {}): Sibling =>
  format === 'parquet' ? parquetSibling(role, options) : rowSibling(role, format, options)

/** The columns `key`, or `headers`, as Kafka Connect's sinks name them. */
function parquetSibling(role: SiblingRole, options: FormatOptions): Sibling {
  const inAvro = rowSibling(role, 'avro', options)
  return {
    extension: () => 'parquet',
    createEncoder: (encoderOptions) =>
      createSiblingEncoder(role, { ...encoderOptions, isTextKey: options.keyEncoding !== 'base64' }),
    findUnencodable: (batch) => inAvro.findUnencodable(batch),
    openFraming: () => parquetFraming({ about: { 'io.millpond.format': role }, sortedBy: undefined }),
  }
}

function rowSibling(role: SiblingRole, format: RowFormat, options: FormatOptions): Sibling {
  const { steps, checks, schema } = shapeOf(role, format, options)
  const program = lineProgram(steps)
  const isAvro = format === 'avro'
  const check = (codec: Codec) => {
    if (hasCodec(format, codec)) return
    throw new MillpondError('FORMAT_UNSUPPORTED', `the format ${format} has no codec ${codec}`)
  }
  return {
    extension(codec) {
      check(codec)
      if (isAvro) return 'avro'
      return (format === 'json' ? 'json' : (options.extension ?? 'bin')) + lineEnding(codec)
    },
    createEncoder(encoderOptions) {
      const { codec, level } = encoderOptions
      check(codec)
      return createRowEncoder<PlainBlock>(
        {
          writer: lineWriter(program),
          areEncodable: (rows) => passAll(checks, rows),
          compressBlock: async (raw, records, compression) => {
            const settings = { ...compression, level }
            const bytes = await (isAvro
              ? compress(codec, records, settings)
              : compressLines(codec, records, settings, encoderOptions.formatOptions))
            return {
              format: isAvro ? 'value-avro' : format === 'json' ? 'value-json' : 'raw',
              codec,
              bytes,
              rawBytes: records.byteLength,
              ...raw,
            }
          },
        },
        // A look-up asks the segment.
        { ...encoderOptions, lookups: [] },
      )
    },
    findUnencodable: (batch) => findFailing(batch, checks, program),
    openFraming(codec, sync) {
      check(codec)
      if (!isAvro) return { header: new Uint8Array(0), frame: ({ bytes }) => [bytes] }
      return {
        header: avroFileHeader(codec, sync, JSON.stringify(schema)),
        frame: ({ count, bytes }) => [blockFrame(count, bytes.byteLength), bytes, sync],
      }
    },
  }
}

function shapeOf(role: SiblingRole, format: RowFormat, { keyEncoding = 'text', delimiter = '\n' }: FormatOptions): Shape {
  if (role === 'headers') {
    if (format === 'raw') throw new MillpondError('FORMAT_UNSUPPORTED', 'headers cannot be written in the format raw')
    if (format === 'avro') return { steps: [{ write: 'avroHeaders' }], checks: [], schema: HEADERS_SCHEMA }
    return { steps: [literal('{"headers":'), { write: 'headers' }, literal('}\n')], checks: [] }
  }
  if (format === 'raw')
    return {
      steps: [
        { write: 'bytes', part: 'key' },
        { write: 'literal', bytes: delimiterBytes(delimiter) },
      ],
      checks: [],
    }
  if (format === 'json') return { steps: [{ write: keyEncoding, part: 'key' }, LINE_END], checks: [] }
  const isText = keyEncoding === 'text'
  return {
    steps: [{ write: 'avroBytes', part: 'key' }],
    checks: isText ? [{ part: 'key', is: 'utf8' }] : [],
    schema: ['null', isText ? 'string' : 'bytes'],
  }
}
