/**
 * Avro object container files of any schema, for manifests: records are objects by field name where they are written, and by field id
 * where they are read. Source: Apache Avro 1.12 specification; Apache Iceberg table specification, "Avro"; both read 2026-11.
 */
import { createHash } from 'node:crypto'
import { compress, decompress } from '../encode/codec.ts'
import type { Codec } from '../encode/block.ts'
import { blockFrame, containerHeader, isCodec, isContainer, MAGIC, SYNC_BYTES } from '../encode/avro-container.ts'
import { MillpondError } from '../errors.ts'
import { AvroDecoder, namedTypes } from './avro-decode.ts'
import { AvroEncoder, type AvroSchema, type AvroValue } from './avro-encode.ts'
import { parseLongJson } from './long-json.ts'

const DEFLATE_LEVEL = 6
/** Records of a block before it is compressed. */
const BLOCK_BYTES = 256 * 1024

/** A file of records with these notes in its header. */
export async function writeContainer(
  schema: AvroSchema,
  metadata: Readonly<Record<string, string>>,
  records: Iterable<AvroValue>,
  codec: Codec = 'deflate',
): Promise<Uint8Array> {
  const header = containerHeader({ 'avro.schema': JSON.stringify(schema), 'avro.codec': codec, ...metadata })
  // Two files that share their markers and header are not mixed up by anything; the hash only has to be hard to meet in a block.
  const sync = createHash('sha256').update(header.subarray(MAGIC.byteLength)).digest().subarray(0, SYNC_BYTES)
  const parts: Uint8Array[] = [header, sync]
  let [block, count] = [new AvroEncoder(), 0]
  const close = async () => {
    if (count === 0) return
    const payload = await compress(codec, block.build(), codec === 'deflate' ? { level: DEFLATE_LEVEL } : {})
    parts.push(blockFrame(count, payload.byteLength), payload, sync)
    ;[block, count] = [new AvroEncoder(), 0]
  }
  for (const record of records) {
    block.value(schema, record)
    count++
    if (block.length >= BLOCK_BYTES) await close()
  }
  await close()
  return Buffer.concat(parts)
}

/** What a container file holds. */
export interface Container {
  readonly metadata: ReadonlyMap<string, string>
  readonly records: readonly unknown[]
}

/**
 * Reads a container file, whoever wrote it. Fields of records are keyed by their field id, or by name where they have none.
 * @throws MillpondError `TABLE_CORRUPT`, naming `place`.
 */
export async function readContainer(bytes: Uint8Array, place: string): Promise<Container> {
  const corrupt = (what: string, cause?: unknown) =>
    new MillpondError('TABLE_CORRUPT', `${place}: ${what}`, { cause, details: { place } })
  if (!isContainer(bytes)) throw corrupt('it is no Avro object container file')
  try {
    const reader = new AvroDecoder(bytes, MAGIC.byteLength)
    const metadata = reader.metadata()
    const codec = metadata.get('avro.codec') ?? 'null'
    if (!isCodec(codec)) throw corrupt(`its codec ${codec} is not known`)
    const schema = parseLongJson(metadata.get('avro.schema') ?? '', place) as AvroSchema
    const named = namedTypes(schema)
    const sync = reader.take(SYNC_BYTES)
    const records: unknown[] = []
    while (reader.at < bytes.byteLength) {
      const count = reader.count()
      const payload = reader.take(reader.count())
      if (Buffer.compare(reader.take(SYNC_BYTES), sync) !== 0) throw corrupt('a block does not end in its sync marker')
      const block = new AvroDecoder(await decompress(codec, payload), 0, named)
      for (let i = 0; i < count; i++) records.push(block.value(schema))
    }
    return { metadata, records }
  } catch (error) {
    throw error instanceof MillpondError && error.code === 'TABLE_CORRUPT' ? error : corrupt('it cannot be read', error)
  }
}
