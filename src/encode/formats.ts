import type { MessageBatch } from '../batch/batch.ts'
import { markMessages } from '../batch/mark.ts'
import { MillpondError } from '../errors.ts'
import { crc32c } from '../kernel/checksum.ts'
import { readRecords } from './avro-block.ts'
import type { Format, ImportedFormat, StoredCodec, StoredMessages } from './block.ts'
import { avroFormat } from './format-avro.ts'
import { csvFormat } from './format-csv.ts'
import { dataphosFormat } from './format-dataphos.ts'
import { jsonFormat } from './format-json.ts'
import { kafkaBackupFormat } from './format-kafka-backup.ts'
import { kafkaFormat } from './format-kafka.ts'
import { parquetFormat } from './format-parquet.ts'
import { persistorrecordFormat } from './format-persistorrecord.ts'
import { rawFormat } from './format-raw.ts'
import { valueAvroFormat } from './format-value-avro.ts'
import { valueJsonArrayFormat } from './format-value-json-array.ts'
import { valueJsonFormat } from './format-value-json.ts'
import { valueParquetFormat } from './format-value-parquet.ts'
import { readRecordBlock } from './record-block.ts'
import type { BlockEntry } from './segment.ts'
import type { SegmentFormat } from './segment-format.ts'

/** Formats of others, which are only read. */
const importedFormats = { 'kafka-backup': kafkaBackupFormat, dataphos: dataphosFormat } satisfies Record<
  ImportedFormat,
  SegmentFormat
>

const formats: Readonly<Partial<Record<string, SegmentFormat>>> = {
  avro: avroFormat,
  kafka: kafkaFormat,
  json: jsonFormat,
  parquet: parquetFormat,
  'value-avro': valueAvroFormat,
  'value-json': valueJsonFormat,
  'value-json-array': valueJsonArrayFormat,
  csv: csvFormat,
  raw: rawFormat,
  persistorrecord: persistorrecordFormat,
  'value-parquet': valueParquetFormat,
  ...importedFormats,
} satisfies Partial<Record<Format, SegmentFormat>>

/** All that this version writes. */
export const formatNames: readonly string[] = Object.keys(formats).filter((name) => !(name in importedFormats))

/** Whether this version has a format of that name. */
export const isFormat = (name: string): name is Format => formats[name] !== undefined

/** The rules of a format. */
export function segmentFormat(format: Format): SegmentFormat {
  const rules = formats[format]
  if (rules === undefined) throw new MillpondError('FORMAT_UNSUPPORTED', `there is no format ${format}`)
  return rules
}

/**
 * The messages of a block from its bytes as they lie in this segment.
 * @throws MillpondError `BLOCK_CORRUPT`.
 */
export const readStoredBlock = (
  segment: { readonly format: Format; readonly codec: StoredCodec },
  stored: Uint8Array,
  block?: BlockEntry,
): Promise<MessageBatch> => segmentFormat(segment.format).readBlock(stored, segment.codec, undefined, block)

/**
 * Refuses a segment that does not hold all that its messages had.
 * @throws MillpondError `FORMAT_NOT_READABLE`, which names lane and segment.
 */
export function checkReadable({ key, format }: { readonly key: string; readonly format: Format }, lane: string): void {
  if (segmentFormat(format).keepsAll) return
  throw new MillpondError(
    'FORMAT_NOT_READABLE',
    `segment ${key} of lane ${lane} is in the format ${format}, which does not keep all that messages had`,
    { details: { key, format, lane } },
  )
}

/** The messages of a block of this segment without columns; undefined where that is no less work than reading it. @throws MillpondError `BLOCK_CORRUPT`. */
export const openStoredBlock = (
  segment: { readonly format: Format; readonly codec: StoredCodec },
  stored: Uint8Array,
  block: BlockEntry,
): Promise<StoredMessages | undefined> => segmentFormat(segment.format).openBlock(stored, segment.codec, block)

/** The messages of what `openBlock` gave. @throws MillpondError `BLOCK_CORRUPT`. */
export async function decodeStored(stored: StoredMessages): Promise<MessageBatch> {
  const { format, bytes, marks } = stored
  const batch = format === 'kafka' ? await readRecordBlock(bytes, 'mixed') : readRecords(bytes, stored.count)
  return marks === undefined ? batch : markMessages(batch, marks)
}

/** Compares a block's bytes with what its commit says of them. @throws MillpondError `BLOCK_CORRUPT`. */
export function checkStoredBlock(
  stored: Uint8Array,
  { bytes, offset, crc32c: expected }: Pick<BlockEntry, 'bytes' | 'offset' | 'crc32c'>,
): void {
  if (stored.byteLength !== bytes) throw corrupt(`the block at ${offset} has ${stored.byteLength} of its ${bytes} bytes`, offset)
  if (crc32c(stored) !== expected) throw corrupt(`the block at ${offset} does not match its CRC-32C`, offset)
}

const corrupt = (message: string, offset: number) => new MillpondError('BLOCK_CORRUPT', message, { details: { offset } })
