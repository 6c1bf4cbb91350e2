import { resolve } from 'node:path'
import type { ConfigPath, Finding } from './mistake.ts'
import { lineRules } from './rules-lines.ts'
import { dataphosRules } from './resolve-dataphos.ts'
import { httpRules } from './resolve-http.ts'
import { icebergRules } from './resolve-iceberg.ts'
import { kafkaRules } from './resolve-kafka.ts'
import { layoutRules } from './resolve-layout.ts'
import { mongodbRules } from './resolve-mongodb.ts'
import { postgresRules } from './resolve-postgres.ts'
import { registryRules } from './resolve-registry.ts'
import { storeRules } from './resolve-stores.ts'
import { configSchema, type FileConfig } from './schema.ts'

/**
 * Checks what no key can tell alone. Values that are wrong by themselves count as left out, so that these rules speak even then;
 * `broken` says which those are.
 */
export function checkRules(values: unknown, broken: (path: ConfigPath) => boolean): Finding[] {
  const usable = configSchema.safeParse(without(values, [], broken))
  if (!usable.success) return []
  return [
    ...httpRules(usable.data, broken),
    ...codecRule(usable.data),
    ...levelRule(usable.data),
    ...lineRules(usable.data),
    ...kafkaRules(usable.data),
    ...registryRules(usable.data),
    ...schemaRule(usable.data),
    ...storeRules(usable.data),
    ...postgresRules(usable.data),
    ...mongodbRules(usable.data),
    ...layoutRules(usable.data, broken),
    ...icebergRules(usable.data),
    ...dataphosRules(usable.data),
    ...pathRule(usable.data, broken),
  ]
}

function without(value: unknown, path: ConfigPath, broken: (path: ConfigPath) => boolean): unknown {
  if (Array.isArray(value)) return value.filter((_, i) => !broken([...path, i]))
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => !broken([...path, key]))
  return Object.fromEntries(kept.map(([key, inner]) => [key, without(inner, [...path, key], broken)]))
}

type WrittenFormat = FileConfig['archive']['format']

const AVRO_CODECS = ['zstandard', 'deflate', 'snappy', 'null'] as const
const USUAL_CODECS = ['zstandard', 'gzip', 'snappy', 'null'] as const

/** The codecs that can be asked for in each format; Kafka's own names for them are in docs/formats.md. */
const codecsOf: Readonly<Record<WrittenFormat, readonly FileConfig['archive']['codec'][]>> = {
  avro: AVRO_CODECS,
  persistorrecord: AVRO_CODECS,
  kafka: ['zstandard', 'deflate', 'gzip', 'snappy', 'null'],
  json: USUAL_CODECS,
  parquet: USUAL_CODECS,
  'value-avro': AVRO_CODECS,
  'value-json': USUAL_CODECS,
  'value-json-array': USUAL_CODECS,
  'value-parquet': USUAL_CODECS,
  csv: USUAL_CODECS,
  raw: USUAL_CODECS,
}

function codecRule({ archive: { format, codec } }: FileConfig): Finding[] {
  const codecs = codecsOf[format]
  if (codecs.includes(codec)) return []
  return [{ path: ['archive', 'codec'], message: `the format ${format} has no codec ${codec}: it has ${codecs.join(', ')}` }]
}

function schemaRule({ archive: { format, schemaCompatibility }, registry }: FileConfig): Finding[] {
  const hasRegistry = registry.urls.length > 0
  if (format === 'value-avro' && !hasRegistry)
    return [
      { path: ['archive', 'format'], message: 'value-avro writes values under their registered schemas: set registry.urls' },
    ]
  if (schemaCompatibility === 'none') return []
  const path = ['archive', 'schemaCompatibility']
  if (format !== 'value-avro' && format !== 'value-parquet')
    return [{ path, message: `is for the formats value-avro and value-parquet, not ${format}` }]
  return hasRegistry ? [] : [{ path, message: 'versions of schemas are those of a registry: set registry.urls' }]
}

function levelRule({ archive: { codec, level } }: FileConfig): Finding[] {
  if (level === undefined || codec === 'zstandard') return []
  const path = ['archive', 'level']
  if (codec !== 'deflate' && codec !== 'gzip') return [{ path, message: `the codec ${codec} has no level` }]
  return level <= 9 ? [] : [{ path, message: `must be from 1 to 9 for the codec ${codec}, not ${level}` }]
}

const PARTS = ['store', 'local', 'index', 'jobs', 'deadLetters'] as const

function pathRule(file: FileConfig, broken: (path: ConfigPath) => boolean): Finding[] {
  const taken = new Map<string, string>()
  const findings: Finding[] = []
  for (const part of PARTS) {
    const path = file[part].path
    if (path === undefined || broken([part, 'path'])) continue
    const owner = taken.get(resolve(path))
    if (owner === undefined) taken.set(resolve(path), `${part}.path`)
    else findings.push({ path: [part, 'path'], message: `is the path of ${owner} too; each part needs its own` })
  }
  return findings
}
