import { valueForm } from './connect-rules.ts'
import { className, type Draft, fixed, isTrue, listOf, type Property } from './draft.ts'
import type { RuleBook } from './rules.ts'

/**
 * What Aiven's sinks write, and which of our formats with which settings writes the same. Source: cloud-storage-connectors-for-apache-kafka 3.4.2,
 * run and read 2026-11.
 */
export const formatBook: RuleBook = {
  names: {
    'format.output.type': format,
    'format.output.fields': fields,
    output_fields: fields,
    'format.output.fields.value.encoding': encoding,
    'format.output.envelope': envelope,
    'file.compression.type': compression,
    output_compression: compression,
    'avro.codec': avroCodec,
    'key.converter': keyConverter,
    'header.converter': headerConverter,
  },
}

const LAYOUT = 'layout.aiven'
const KEPT_AS_BYTES = 'keys, values and headers are kept as the bytes that they are; formats by schema ask the registry'

const outputType = (draft: Draft): string => (draft.value('format.output.type') ?? 'csv').toLowerCase()

/** Properties that say the same under an older name. */
const firstOf = (draft: Draft, names: readonly string[]): string | undefined =>
  names.map((name) => draft.value(name)).find((value) => value !== undefined)

const namesIn = (written: string): string[] => listOf(written).map((name) => name.toLowerCase())
const fieldsOf = (draft: Draft): string[] => namesIn(firstOf(draft, ['format.output.fields', 'output_fields']) ?? 'value')
const isValueAlone = (draft: Draft): boolean => fieldsOf(draft).join() === 'value'

/** The order in which Aiven's JSON has its fields, whatever the property's: that of a hash table. */
const JSON_ORDER = ['headers', 'offset', 'value', 'key', 'timestamp']

/** Encodings of JSON by what the converter makes of values; what is read by a schema is no JSON before it is converted. */
const jsonEncodings = { json: 'json', unknown: 'json', text: 'text', bytes: 'base64' } as const

const jsonEncoding = (draft: Draft): 'json' | 'text' | 'base64' | undefined => {
  const form = valueForm(draft)
  return form in jsonEncodings ? jsonEncodings[form as keyof typeof jsonEncodings] : undefined
}

/** Whether values have to be made JSON of, which no format does. */
const isConverted = (draft: Draft): boolean =>
  ['json', 'jsonl'].includes(outputType(draft)) && fieldsOf(draft).includes('value') && jsonEncoding(draft) === undefined

const isJson = (draft: Draft): boolean => ['json', 'jsonl'].includes(outputType(draft)) && !isConverted(draft)
const isCsv = (draft: Draft): boolean => outputType(draft) === 'csv'
const isLines = (draft: Draft): boolean => isJson(draft) || isCsv(draft)

function format(property: Property, draft: Draft): void {
  switch (property.value.toLowerCase()) {
    case 'csv':
      setCsv(draft)
      return draft.map(property, { 'archive.format': 'csv' })
    case 'json':
    case 'jsonl':
      return jsonFormat(property, draft)
    case 'parquet':
      return isValueAlone(draft)
        ? draft.map(property, { 'archive.format': 'value-parquet' })
        : draft.map(property, { 'archive.format': 'parquet' }, 'with all that messages have as columns')
    case 'avro':
      return isValueAlone(draft) && ['avro', 'unknown'].includes(valueForm(draft))
        ? draft.map(property, { 'archive.format': 'value-avro' })
        : draft.map(property, { 'archive.format': 'avro' }, 'with all that messages have as fields')
    default:
      return draft.unsupported(property, 'known are csv, json, jsonl, parquet and avro')
  }
}

/** Fields as they are, whatever signs they hold. */
function setCsv(draft: Draft): void {
  const names = fieldsOf(draft)
  draft.set('archive.headerLine', false)
  draft.set('archive.quoting', 'none')
  if (names.includes('key')) draft.set('archive.keyEncoding', 'base64')
  if (names.includes('timestamp')) draft.set('archive.timestampEncoding', 'ms')
  if (names.includes('headers')) draft.set('archive.headersEncoding', 'pairs')
}

function jsonFormat(property: Property, draft: Draft): void {
  if (isConverted(draft)) {
    const form = valueForm(draft)
    const instead = form === 'avro' && isValueAlone(draft) ? 'value-avro' : 'avro'
    draft.set('archive.format', instead)
    return draft.unsupported(property, `no format makes JSON of values in ${form}: ${instead} keeps them as they are`)
  }
  const values = fieldsOf(draft).includes('value') ? jsonEncoding(draft) : undefined
  if (values !== undefined) draft.set('archive.valueEncoding', values)
  const isArray = property.value.toLowerCase() === 'json'
  return draft.map(property, { 'archive.format': isArray ? 'value-json-array' : 'value-json' })
}

function fields(property: Property, draft: Draft): void {
  if (isOutdone(property, draft, 'format.output.fields')) return draft.fixed(property, 'format.output.fields counts')
  if (!isLines(draft)) return draft.fixed(property, 'said by archive.format')
  const names = namesIn(property.value)
  return draft.map(property, { 'archive.fields': isCsv(draft) ? names : JSON_ORDER.filter((name) => names.includes(name)) })
}

function encoding(property: Property, draft: Draft): void {
  if (!isCsv(draft)) return draft.fixed(property, 'for csv alone: what values are in JSON their converter says')
  if (!fieldsOf(draft).includes('value')) return draft.fixed(property, 'values are not written')
  return draft.map(property, { 'archive.valueEncoding': property.value.toLowerCase() === 'base64' ? 'base64' : 'text' })
}

function envelope(property: Property, draft: Draft): void {
  if (isJson(draft)) return draft.map(property, { 'archive.envelope': isTrue(property.value) })
  if (isCsv(draft) || !isValueAlone(draft)) return draft.fixed(property, 'for one field in JSON, Avro or Parquet')
  return isTrue(property.value)
    ? draft.unsupported(property, 'objects hold values themselves, not records with a field value')
    : draft.fixed(property, 'as it is')
}

const CODECS: Readonly<Record<string, string>> = { none: 'null', gzip: 'gzip', snappy: 'snappy', zstd: 'zstandard' }

/** Whether an older name says what the newer one says already. */
const isOutdone = ({ name }: Property, draft: Draft, newer: string): boolean => name !== newer && draft.value(newer) !== undefined

function compression(property: Property, draft: Draft): void {
  if (isOutdone(property, draft, 'file.compression.type')) return draft.fixed(property, 'file.compression.type counts')
  const type = property.value.toLowerCase()
  const codec = CODECS[type]
  if (codec === undefined) return draft.unsupported(property, `known are ${Object.keys(CODECS).join(', ')}`)
  if (outputType(draft) === 'avro' || isConverted(draft)) return avroCompression(property, draft, codec)
  const suffix = suffixOf(property, draft, type)
  if (codec === 'snappy' && isLines(draft)) draft.set('archive.snappyFraming', 'xerial')
  const note = suffix === type ? '' : 'names do not tell a compression that file.compression.type does not'
  return draft.map(property, { 'archive.codec': codec, [`${LAYOUT}.fileCompressionType`]: suffix }, note)
}

/** The connector's default and its older setting compress all the same, but only names with the older prefix say so. */
function suffixOf({ name, isStandard }: Property, draft: Draft, type: string): string {
  return (!isStandard && name === 'file.compression.type') || hasS3Prefix(draft) ? type : 'none'
}

/** Whether names are those of the older setting of the sink for S3. */
export const hasS3Prefix = (draft: Draft): boolean => firstOf(draft, ['aws.s3.prefix', 'aws_s3_prefix']) !== undefined

/** Aiven compresses the container file as a whole, which no reader of Avro knows. */
function avroCompression(property: Property, draft: Draft, codec: string): void {
  draft.set(`${LAYOUT}.fileCompressionType`, 'none')
  const isSaid = draft.value('avro.codec') !== undefined && outputType(draft) === 'avro'
  if (!isSaid) draft.set('archive.codec', codec === 'gzip' ? 'deflate' : codec)
  if (codec === 'null') return draft.fixed(property, 'blocks have archive.codec')
  return draft.unsupported(
    property,
    'a container file that is compressed as a whole is none that tools read: its blocks are (archive.codec), and names do not tell it',
  )
}

function avroCodec(property: Property, draft: Draft): void {
  if (outputType(draft) !== 'avro') return draft.fixed(property, 'for Avro alone')
  const known = ['null', 'deflate', 'snappy', 'zstandard']
  if (known.includes(property.value)) return draft.map(property, { 'archive.codec': property.value })
  draft.set('archive.codec', 'zstandard')
  return draft.unsupported(property, `known are ${known.join(', ')}; archive.codec is zstandard`)
}

function keyConverter(property: Property, draft: Draft): void {
  const name = className(property.value)
  if (!isJson(draft) || !fieldsOf(draft).includes('key')) return draft.fixed(property, KEPT_AS_BYTES)
  if (name === 'StringConverter') return draft.map(property, { 'archive.keyEncoding': 'text' })
  if (name === 'ByteArrayConverter') return draft.map(property, { 'archive.keyEncoding': 'base64' })
  return draft.unsupported(property, 'keys are written as text')
}

function headerConverter(property: Property, draft: Draft): void {
  const name = className(property.value)
  if (!isJson(draft) || !fieldsOf(draft).includes('headers')) return fixed(KEPT_AS_BYTES)(property, draft)
  if (name === 'StringConverter') return draft.map(property, { 'archive.headersEncoding': 'json' })
  if (name === 'ByteArrayConverter') return draft.map(property, { 'archive.headersEncoding': 'base64' })
  return draft.unsupported(property, 'values of headers are written as text, also what looks like a number, true or a list')
}
