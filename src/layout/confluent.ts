import { escapeText, type Escaping } from './escape.ts'
import type { ConfluentLayoutConfig } from './layout-config.ts'
import { extensionPart, type Part, positionPart, splitExtension, text, timePart, usualExtension } from './parts.ts'
import { DAY_MS, HOUR_MS } from './pattern-letters.ts'
import { checked, clockOf, type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import { fieldTerm, schemaTerm } from './term-value.ts'
import { createTimeFormat } from './time-pattern.ts'

/** What Confluent calls a value that has no schema with a name. */
const NO_SCHEMA = 'null'

/**
 * Names as Confluent's sinks write them: `<topics.dir>/<topic>/<partition>/<topic>+<lane>+<offset><extension>`.
 * Source: kafka-connect-storage-cloud and -common, behaviour read 2026-11.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planConfluent(config: ConfluentLayoutConfig, strict: boolean): LayoutPlan {
  const { topicsDir, directoryDelim: delim, fileDelim, filenameOffsetZeroPadWidth: width, formatBytearrayExtension } = config
  if (delim === '') throw layoutInvalid('confluent.directoryDelim', 'must not be empty')
  const escaping: Escaping = { strict, delimiters: delim.length === 1 && delim !== '/' && !strict ? delim : '' }
  const topic: Part = { kind: 'lane', name: 'topic', write: (lane) => escapeText(lane.topic, escaping) }
  const lane: Part = { kind: 'lane', name: 'partition', write: (one) => escapeText(one.lane, escaping) }
  const folder = [...(topicsDir.trim() === '' ? [] : [text(topicsDir + delim)]), topic, text(delim)]
  const file = [
    text(delim),
    topic,
    text(fileDelim),
    lane,
    text(fileDelim),
    positionPart(width),
    extensionPart((extension) => confluentExtension(extension, formatBytearrayExtension)),
  ]
  const { parts, fields } = partitionOf(config, escaping, lane)
  return {
    parts: [...folder, ...withSchema(config, escaping, parts), ...file],
    nullParts: [...folder, text(config.tombstoneEncodedPartition), ...file],
    fields,
    usesSchemas: config.schemaPartitionAffixType !== 'NONE',
    isUnique: false,
    tellsTopic: true,
  }
}

/** `.avro`, `.json.gz`, `.snappy.parquet`; bytes have an extension of their own. */
function confluentExtension(extension: string, ofBytes: string): string {
  const { format, compression } = splitExtension(extension)
  if (format !== 'raw' && format !== 'bin' && format !== 'txt') return usualExtension(extension)
  return `${ofBytes}${compression === '' ? '' : `.${compression}`}`
}

function withSchema(
  { schemaPartitionAffixType, directoryDelim }: ConfluentLayoutConfig,
  escaping: Escaping,
  parts: Part[],
): Part[] {
  if (schemaPartitionAffixType === 'NONE') return parts
  const options = { escaping, name: 'schema_name', before: 'schema_name=', missing: NO_SCHEMA }
  const affix: Part = { kind: 'term', create: () => schemaTerm(options) }
  return schemaPartitionAffixType === 'PREFIX' ? [affix, text(directoryDelim), ...parts] : [...parts, text(directoryDelim), affix]
}

interface Partition {
  readonly parts: Part[]
  readonly fields: readonly string[]
}

function partitionOf(config: ConfluentLayoutConfig, escaping: Escaping, lane: Part): Partition {
  const { directoryDelim: delim, partitionerClass } = config
  const quotedDelim = /[A-Za-z']/u.test(delim) ? `'${delim.replaceAll("'", "''")}'` : delim
  const daily = `'year'=YYYY${quotedDelim}'month'=MM${quotedDelim}'day'=dd`
  if (partitionerClass === 'DefaultPartitioner') return { parts: [text('partition='), lane], fields: [] }
  if (partitionerClass === 'FieldPartitioner') return fieldPartition(config, escaping)
  if (partitionerClass === 'DailyPartitioner') return timePartition(config, daily, DAY_MS)
  if (partitionerClass === 'HourlyPartitioner') return timePartition(config, `${daily}${quotedDelim}'hour'=HH`, HOUR_MS)
  const { pathFormat, partitionDurationMs } = config
  if (pathFormat.trim() === '' || pathFormat === delim)
    throw layoutInvalid('confluent.pathFormat', 'TimeBasedPartitioner needs it')
  if (partitionDurationMs <= 0) throw layoutInvalid('confluent.partitionDuration', 'TimeBasedPartitioner needs it')
  const pattern = pathFormat.endsWith(delim) ? pathFormat.slice(0, -delim.length) : pathFormat
  return timePartition(config, pattern, partitionDurationMs)
}

function fieldPartition({ partitionFieldName, directoryDelim }: ConfluentLayoutConfig, escaping: Escaping): Partition {
  if (partitionFieldName.length === 0) throw layoutInvalid('confluent.partitionFieldName', 'FieldPartitioner needs a field')
  const parts = partitionFieldName.flatMap((field, i): Part[] => {
    const options = { field, name: field, before: `${field}=`, ofNull: 'null', wholeNumbers: true, escaping }
    const part: Part = { kind: 'term', create: () => fieldTerm(options) }
    return i === 0 ? [part] : [text(directoryDelim), part]
  })
  return { parts, fields: partitionFieldName }
}

function timePartition(config: ConfluentLayoutConfig, pattern: string, durationMs: number): Partition {
  const zone = zoneOf('confluent.timezone', config.timezone)
  const format = checked('confluent.pathFormat', () =>
    createTimeFormat(pattern, { zone, locale: config.locale, flavour: 'joda' }),
  )
  const { clock, fields } = clockOf(config.timestampExtractor, {
    field: config.timestampField,
    zone: zoneOf('confluent.timestampFieldTimezone', config.timestampFieldTimezone),
  })
  return { parts: [timePart({ clock, format, durationMs })], fields }
}
