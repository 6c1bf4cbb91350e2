/** Container files of messages. */
import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import type { ByteRange } from '../store/store.ts'
import { decodeBlock } from './avro-block.ts'
import {
  type ContainerHeader,
  containerHeader,
  parseContainerHeader,
  parseStoredBlock,
  SYNC_BYTES,
  passesEnd,
  takeFrame,
} from './avro-container.ts'
import type { Codec } from './block.ts'

/** The schema of every segment. Fields are never removed or reordered: segments live for years. */
export const messageSchema = {
  type: 'record',
  name: 'Message',
  namespace: 'millpond',
  fields: [
    { name: 'position', type: 'long', doc: "The lane's own rising number" },
    { name: 'timestamp', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'key', type: ['null', 'bytes'] },
    { name: 'value', type: ['null', 'bytes'] },
    {
      name: 'headers',
      type: {
        type: 'array',
        items: {
          type: 'record',
          name: 'Header',
          fields: [
            { name: 'name', type: 'string' },
            { name: 'value', type: ['null', 'bytes'] },
          ],
        },
      },
    },
    { name: 'id', type: ['null', 'string'] },
  ],
} as const

/** Where a container file is read from: all of it in memory, or an object of a store. */
export type ReadRange = (range: ByteRange) => Promise<Uint8Array> | Uint8Array

/** The beginning of a container file, of messages unless a schema is given. */
export const avroFileHeader = (codec: Codec, sync: Uint8Array, schema = JSON.stringify(messageSchema)): Uint8Array =>
  Buffer.concat([containerHeader({ 'avro.schema': schema, 'avro.codec': codec }), sync])

/**
 * Reads the header of a file of messages, as `parseContainerHeader` does.
 * @throws MillpondError also `FORMAT_UNSUPPORTED` for a schema that is not ours.
 */
export function parseAvroFileHeader(bytes: Uint8Array): ContainerHeader | undefined {
  const container = parseContainerHeader(bytes)
  if (container === undefined) return undefined
  const { schema, ...header } = container
  checkSchema(schema)
  return header
}

/**
 * Reads a whole container file of our schema, block by block, with one read ahead of nothing: for import, and for files without a
 * commit. `size` is the file's length in bytes.
 * @throws MillpondError `SEGMENT_CORRUPT`, `BLOCK_CORRUPT`, `FORMAT_UNSUPPORTED`.
 */
export async function* readAvroFile(read: ReadRange, size: number): AsyncGenerator<MessageBatch> {
  const header = await readHeader(read, size)
  for (let at = header.bytes; at < size;) {
    const frame = takeFrame(await read({ start: at, end: Math.min(size, at + 20) }), 0)
    const end = frame === undefined ? Infinity : at + frame.end + frame.payloadBytes + SYNC_BYTES
    if (frame === undefined || end > size) throw passesEnd(at)
    const { count, payload } = parseStoredBlock(await read({ start: at, end }), header.sync)
    if (count > 0) yield await decodeBlock({ codec: header.codec, bytes: payload, count })
    at = end
  }
}

async function readHeader(read: ReadRange, size: number): Promise<ContainerHeader> {
  for (let bytes = 4096; ; bytes *= 8) {
    const header = parseAvroFileHeader(await read({ start: 0, end: Math.min(size, bytes) }))
    if (header !== undefined) return header
    if (bytes >= size) throw new MillpondError('SEGMENT_CORRUPT', 'the container file ends within its header')
  }
}

/** Accepts what encodes as ours does: names of records, documentation and defaults may differ, names and types of fields may not. */
function checkSchema(json: string): void {
  let schema: unknown
  try {
    schema = JSON.parse(json)
  } catch (error) {
    throw new MillpondError('SEGMENT_CORRUPT', 'the schema of the container file is no JSON', { cause: error })
  }
  if (JSON.stringify(shape(schema)) !== JSON.stringify(shape(messageSchema))) {
    throw new MillpondError('FORMAT_UNSUPPORTED', "the container file's schema is not that of messages")
  }
}

/** A schema without what does not change its encoding. */
function shape(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(shape)
  if (typeof schema !== 'object' || schema === null) return schema
  const { type, fields, items } = schema as { type?: unknown; fields?: unknown; items?: unknown }
  if (type === 'record' && Array.isArray(fields)) {
    return { record: fields.map((field: { name?: unknown; type?: unknown }) => [field.name, shape(field.type)]) }
  }
  return type === 'array' ? { array: shape(items) } : shape(type)
}
