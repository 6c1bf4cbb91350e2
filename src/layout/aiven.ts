import { escapeText, type Escaping } from './escape.ts'
import type { AivenLayoutConfig } from './layout-config.ts'
import { type Part, splitExtension, text, timePart } from './parts.ts'
import { type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import { keyTerm } from './term-value.ts'
import { createTimeFormat } from './time-pattern.ts'
import type { Zone } from './zone.ts'

const VARIABLE = /\{\{\s*(\w+)?(:?)([\w=]+)?\s*\}\}/gu
const DEFAULT_TEMPLATE = '{{topic}}-{{partition}}-{{start_offset}}'
const PREFIXED_TEMPLATE = '{{topic}}-{{partition}}-{{start_offset:padding=true}}'
/** Suffixes of compressed files. Source: Aiven's `CompressionType`, read 2026-11. */
const SUFFIX = { none: '', gzip: '.gz', snappy: '.snappy', zstd: '.zst' } as const
/** What the parameter `unit` of `timestamp` may be. */
const UNITS: ReadonlySet<string | undefined> = new Set(['yyyy', 'YYYY', 'MM', 'dd', 'HH'])

/**
 * Names as Aiven's sinks write them: a prefix and a template with the variables `topic`, `partition`, `start_offset`, `timestamp`
 * and `key`. Source: cloud-storage-connectors-for-apache-kafka, behaviour read 2026-11.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planAiven(config: AivenLayoutConfig, strict: boolean): LayoutPlan {
  const zone = zoneOf('aiven.fileNameTimestampTimezone', config.fileNameTimestampTimezone)
  const source = config.fileNameTimestampSource === 'event' ? 'record' : 'wallclock'
  const options: Options = { escaping: { strict }, zone, source, tellsPath: true }
  return { parts: partsOf(config, options), fields: [], isUnique: false, tellsTopic: true }
}

function partsOf(config: AivenLayoutConfig, options: Options): Part[] {
  const { awsS3Prefix, fileNamePrefix, fileNameTemplate } = config
  for (const [key, prefix] of Object.entries({ fileNamePrefix, awsS3Prefix: awsS3Prefix ?? '' }))
    if (variablesOf(prefix).includes('key')) throw layoutInvalid(`aiven.${key}`, 'has no variable key')
  if (awsS3Prefix !== undefined) {
    return [
      ...parseTemplate('aiven.awsS3Prefix', awsS3Prefix, { ...options, tellsPath: false }),
      ...parseTemplate('aiven.awsS3Prefix', PREFIXED_TEMPLATE, options),
      suffixPart(config),
    ]
  }
  const template = fileNameTemplate ?? DEFAULT_TEMPLATE
  checkSet(new Set(variablesOf(template)))
  return [
    ...parseTemplate('aiven.fileNamePrefix', fileNamePrefix, options),
    ...parseTemplate('aiven.fileNameTemplate', template, options),
    // A template of one's own gets no extension, as it gets none from Aiven.
    ...(fileNameTemplate === undefined ? [suffixPart(config)] : []),
  ]
}

const variablesOf = (template: string): string[] => [...template.matchAll(VARIABLE)].map(([, name]) => name ?? '')

/** Aiven's sets of variables that belong together. */
function checkSet(variables: ReadonlySet<string>): void {
  const key = 'aiven.fileNameTemplate'
  if (['topic', 'partition', 'start_offset'].every((name) => variables.has(name))) return
  const others = [...variables].filter((name) => name !== 'key' && name !== 'topic' && name !== 'partition')
  if (variables.has('key') && others.length === 0) {
    throw layoutInvalid(
      key,
      'names objects by key alone, so that each message would replace the one before it; an archive replaces nothing: add {{topic}}, {{partition}} and {{start_offset}}',
    )
  }
  throw layoutInvalid(key, 'needs {{topic}}, {{partition}} and {{start_offset}}; {{timestamp:unit=…}} and {{key}} may be added')
}

function suffixPart({ fileCompressionType }: AivenLayoutConfig): Part {
  return {
    kind: 'object',
    tellsSibling: true,
    write: (_start, { extension, sibling }) => {
      const { format, compression } = splitExtension(extension)
      const suffix =
        fileCompressionType === undefined ? (compression === '' ? '' : `.${compression}`) : SUFFIX[fileCompressionType]
      return `${sibling === undefined ? '' : `.${sibling}`}${format === 'avro' ? '.avro' : ''}${suffix}`
    },
  }
}

interface Options {
  readonly escaping: Escaping
  readonly zone: Zone
  readonly source: 'record' | 'wallclock'
  /** Whether messages of different times lie in different objects; else the first one of an object says the time. */
  readonly tellsPath: boolean
}

function parseTemplate(key: string, template: string, options: Options): Part[] {
  const parts: Part[] = []
  let end = 0
  for (const match of template.matchAll(VARIABLE)) {
    const [whole, name, colon, written] = match
    parts.push(text(template.slice(end, match.index)))
    end = match.index + whole.length
    if (name === undefined) throw layoutInvalid(key, `${whole} names no variable`)
    const [parameter, value] = written?.split('=') ?? []
    if ((colon === ':') !== (value !== undefined && value !== ''))
      throw layoutInvalid(key, `${whole} has a parameter that is not of the form name=value`)
    parts.push(variablePart(key, { whole, name, parameter, value }, options))
  }
  parts.push(text(template.slice(end)))
  return parts
}

interface Variable {
  readonly whole: string
  readonly name: string
  readonly parameter: string | undefined
  readonly value: string | undefined
}

function variablePart(
  key: string,
  { whole, name, parameter, value }: Variable,
  { escaping, zone, source, tellsPath }: Options,
): Part {
  const padding = (digits: number): number => {
    if (parameter === undefined) return 0
    if (parameter !== 'padding' || (value !== 'true' && value !== 'false'))
      throw layoutInvalid(key, `${whole}: the parameter is padding=true or padding=false`)
    return value === 'true' ? digits : 0
  }
  if (parameter !== undefined && !['partition', 'start_offset', 'timestamp'].includes(name))
    throw layoutInvalid(key, `${whole}: ${name} has no parameter`)
  const time = (pattern: string, clock: 'record' | 'wallclock', of: Zone, index: string): Part => {
    const format = createTimeFormat(pattern, { zone: of, locale: 'en', flavour: 'java' })
    if (tellsPath) return timePart({ clock: { source: clock }, format, name: index })
    return {
      kind: 'object',
      isClock: clock === 'wallclock',
      write: ({ timestampMs, nowMs }) => format.text(clock === 'record' ? timestampMs : nowMs),
    }
  }
  switch (name) {
    case 'topic':
      return { kind: 'lane', name: 'topic', write: ({ topic }) => escapeText(topic, escaping) }
    case 'partition': {
      const width = padding(10)
      return { kind: 'lane', name: 'partition', write: ({ lane }) => escapeText(lane, escaping).padStart(width, '0') }
    }
    case 'start_offset': {
      const width = padding(20)
      return { kind: 'object', write: ({ position }) => String(position).padStart(width, '0') }
    }
    case 'timestamp': {
      if (parameter !== 'unit' || value === undefined || !UNITS.has(value))
        throw layoutInvalid(key, `${whole}: the parameter is unit=yyyy, unit=MM, unit=dd or unit=HH`)
      return time(value === 'YYYY' ? 'yyyy' : value, source, zone, `timestamp:${value}`)
    }
    case 'key':
      return { kind: 'term', create: () => keyTerm({ escaping, name: 'key', missing: 'null' }) }
    case 'utc_date':
      return time('yyyy-MM-dd', 'wallclock', zoneOf(key, 'UTC'), 'utc_date')
    case 'local_date':
      return time('yyyy-MM-dd', 'wallclock', zone, 'local_date')
    default:
      throw layoutInvalid(key, `${whole}: there is no variable ${name}; known: topic, partition, start_offset, timestamp, key`)
  }
}
