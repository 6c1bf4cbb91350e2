import { valueForm } from './connect-rules.ts'
import { className, type Draft, type Property, type Rule } from './draft.ts'

/** Formats of Confluent's sinks under the names that they have here; a codec belongs to one of them. */
export function format(property: Property, draft: Draft): void {
  const name = className(property.value, 'Format')
  const form = valueForm(draft)
  if (name === 'Avro') {
    const isAvro = form === 'avro' || form === 'unknown'
    const known =
      form === 'unknown'
        ? "where the worker's converter is AvroConverter; with values of another kind archive.format has to be avro"
        : "each value's datum under the schema that it names"
    if (isAvro) return draft.map(property, { 'archive.format': 'value-avro' }, known)
    draft.map(
      property,
      { 'archive.format': 'avro' },
      `values are no Avro (${form}): they are kept as they are, with key, headers and time beside them`,
    )
  } else if (name === 'Parquet') draft.map(property, { 'archive.format': 'value-parquet' })
  else if (name === 'Json') jsonFormat(property, draft)
  else if (name === 'ByteArray') draft.map(property, { 'archive.format': 'raw' })
  else {
    draft.set('archive.format', 'avro')
    draft.unsupported(property, 'known are AvroFormat, ParquetFormat, JsonFormat and ByteArrayFormat')
  }
}

/** JSON of text is a string, of bytes base64; what is read by a schema would have to be converted. */
function jsonFormat(property: Property, draft: Draft): void {
  const form = valueForm(draft)
  if (isConverted(draft)) {
    const instead = form === 'avro' ? 'value-avro' : 'avro'
    draft.set('archive.format', instead)
    return draft.unsupported(property, `no format makes JSON of values in ${form}: ${instead} keeps them as they are`)
  }
  if (form === 'text' || form === 'bytes') draft.set('archive.valueEncoding', form === 'text' ? 'text' : 'base64')
  return draft.map(property, { 'archive.format': 'value-json' }, 'a value a line')
}

/** Whether values would have to be made JSON of. */
const isConverted = (draft: Draft): boolean =>
  formatName(draft) === 'Json' && ['avro', 'json-schema', 'protobuf'].includes(valueForm(draft))

/** The name of the format's class, without `Format`. */
export const formatName = (draft: Draft): string => className(draft.value('format.class') ?? '', 'Format')

const codecs: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Avro: { null: 'null', deflate: 'deflate', snappy: 'snappy', zstandard: 'zstandard' },
  Parquet: { none: 'null', uncompressed: 'null', gzip: 'gzip', snappy: 'snappy', zstd: 'zstandard' },
  Text: { none: 'null', gzip: 'gzip' },
}

/** The codec of one family of formats; those of the others are not asked. */
export const codecOf =
  (family: 'Avro' | 'Parquet' | 'Text'): Rule =>
  (property, draft) => {
    const name = formatName(draft)
    const own = name === 'Avro' || name === 'Parquet' ? name : 'Text'
    if (own !== family) return draft.fixed(property, `not for ${name === '' ? 'this format' : `${name}Format`}`)
    const codec = codecs[family]![property.value]
    const suited = codec === 'gzip' && isConverted(draft) ? 'deflate' : codec
    if (suited !== undefined) return draft.map(property, { 'archive.codec': suited })
    draft.set('archive.codec', 'snappy')
    return draft.unsupported(property, `known are ${Object.keys(codecs[family]!).join(', ')}; archive.codec is snappy`)
  }

/** The level of gzip. */
export const level: Rule = (property, draft) => {
  if (property.value === '-1') return draft.fixed(property, 'as it is')
  const isGzip = formatName(draft) !== 'Avro' && formatName(draft) !== 'Parquet' && compressionType(draft) === 'gzip'
  return isGzip && Number(property.value) >= 1
    ? draft.map(property, { 'archive.level': Number(property.value) })
    : draft.unsupported(property, 'levels are those of gzip, 1 to 9')
}

const compressionType = (draft: Draft): string | undefined =>
  ['s3', 'gcs', 'azblob'].map((store) => draft.value(`${store}.compression.type`)).find((one) => one !== undefined)
