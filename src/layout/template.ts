import { nearest } from '../nearest.ts'
import { escapeText, type Escaping } from './escape.ts'
import { uuidOf } from './firehose.ts'
import type { TemplateLayoutConfig } from './layout-config.ts'
import { type Part, text, timePart, usualExtension } from './parts.ts'
import { pathSegment } from './path-segment.ts'
import { checked, clockOf, type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import type { Clock } from './term-time.ts'
import { fieldTerm, headerTerm, keyTerm, schemaTerm } from './term-value.ts'
import { createTimeFormat } from './time-pattern.ts'

/** What may stand in braces; behind a colon its parameter, behind a bar what stands for a message that has none. */
const TOKEN = /\{\{|\}\}|\{([A-Za-z]+)(?::([^{}|]*))?(?:\|([^{}]*))?\}/gu
const KEY = 'template.key'
const NAMES = [
  'topic',
  'lane',
  'time',
  'record',
  'wallclock',
  'field',
  'header',
  'key',
  'schema',
  'start',
  'position',
  'id',
  'writer',
  'uuid',
  'extension',
]

/**
 * A key as its template says, like `{topic}/{time:yyyy/MM/dd}/{field:country|none}/{lane}-{position:16}-{writer}.{extension}`.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planTemplate(config: TemplateLayoutConfig, strict: boolean): LayoutPlan {
  const tokens = parseTemplate(config.key)
  const zone = zoneOf('template.timezone', config.timezone)
  const { clock, fields } = clockOf(config.timestampExtractor, { field: config.timestampField, zone })
  const escaping: Escaping = { strict }
  const time = (pattern: string) =>
    checked(KEY, () => createTimeFormat(pattern, { zone, locale: config.locale, flavour: 'java' }))
  const parts = tokens.map((token): Part => (typeof token === 'string' ? text(token) : partOf(token, { clock, escaping, time })))
  const names = new Set(tokens.map((token) => (typeof token === 'string' ? '' : token.name)))
  const isUnique = names.has('writer') && names.has('position') && names.has('lane')
  if (!names.has('uuid') && !(names.has('lane') && names.has('position'))) {
    throw layoutInvalid(
      KEY,
      'needs {lane} and {position}, or {uuid}: else objects of different lanes, or of one, would have the same key',
    )
  }
  const read = tokens.flatMap((token) => (typeof token === 'string' || token.name !== 'field' ? [] : [token.parameter!]))
  return {
    parts,
    fields: [...new Set([...(names.has('time') ? fields : []), ...read])],
    usesSchemas: names.has('schema'),
    isUnique,
    tellsTopic: names.has('topic') || names.has('uuid'),
  }
}

interface Token {
  readonly whole: string
  readonly name: string
  readonly parameter: string | undefined
  readonly missing: string | undefined
}

function parseTemplate(template: string): (string | Token)[] {
  const tokens: (string | Token)[] = []
  let end = 0
  const literal = (written: string) => {
    if (/[{}]/u.test(written))
      throw layoutInvalid(
        KEY,
        `has a brace that belongs to nothing in ${JSON.stringify(written)}; "{{" and "}}" are braces themselves`,
      )
    if (written !== '') tokens.push(written)
  }
  for (const match of template.matchAll(TOKEN)) {
    const [whole, name, parameter, missing] = match
    literal(template.slice(end, match.index))
    end = match.index + whole.length
    if (name === undefined) tokens.push(whole[0]!)
    else tokens.push({ whole, name, parameter, missing })
  }
  literal(template.slice(end))
  if (template.startsWith('/') || template.endsWith('/')) throw layoutInvalid(KEY, 'must neither begin nor end in "/"')
  return tokens
}

interface Surroundings {
  readonly clock: Clock
  readonly escaping: Escaping
  readonly time: (pattern: string) => ReturnType<typeof createTimeFormat>
}

function partOf({ whole, name, parameter, missing }: Token, { clock, escaping, time }: Surroundings): Part {
  const needed = (what: string): string => {
    if (parameter === undefined || parameter === '') throw layoutInvalid(KEY, `${whole} needs ${what} behind a colon`)
    return parameter
  }
  const options = { escaping, missing }
  switch (name) {
    case 'topic':
      return { kind: 'lane', name, write: ({ topic }) => escapeText(topic, escaping) }
    case 'lane':
      return padded(escaping, widthOf(whole, parameter))
    case 'time':
    case 'record':
    case 'wallclock': {
      const format = time(needed('a date pattern'))
      return timePart({ clock: name === 'time' ? clock : { source: name }, format, name })
    }
    case 'field':
      return fieldPart(needed('a field'), options)
    case 'header':
      return headerPart(needed('a header'), options)
    case 'key':
      return { kind: 'term', create: () => keyTerm({ ...options, name }) }
    case 'schema':
      return { kind: 'term', create: () => schemaTerm({ ...options, name }) }
    default:
      return objectPart({ whole, name, parameter, missing }, { escaping, time, clock })
  }
}

interface MissingOptions {
  readonly escaping: Escaping
  readonly missing: string | undefined
}

const padded = (escaping: Escaping, width: number): Part => ({
  kind: 'lane',
  name: 'lane',
  write: ({ lane }) => escapeText(lane, escaping).padStart(width, '0'),
})

const fieldPart = (field: string, options: MissingOptions): Part => ({
  kind: 'term',
  create: () => fieldTerm({ ...options, field, name: field }),
})

const headerPart = (header: string, options: MissingOptions): Part => ({
  kind: 'term',
  create: () => headerTerm({ ...options, header, name: header }),
})

function objectPart({ whole, name, parameter }: Token, { escaping, time }: Surroundings): Part {
  switch (name) {
    case 'start': {
      const format = time(parameter === undefined || parameter === '' ? 'yyyy-MM-dd-HH-mm-ss' : parameter)
      return { kind: 'object', write: ({ timestampMs }) => format.text(timestampMs) }
    }
    case 'position': {
      const width = widthOf(whole, parameter)
      return { kind: 'object', write: ({ position }) => String(position).padStart(width, '0') }
    }
    case 'id':
      return { kind: 'object', write: ({ id, position }, _end, { lane }) => escapeText(id ?? `${lane}_${position}`, escaping) }
    case 'writer':
      return { kind: 'object', write: ({ writer }) => pathSegment(writer) }
    case 'uuid':
      return { kind: 'object', write: (start, _end, lane) => uuidOf(start, lane) }
    case 'extension':
      return {
        kind: 'object',
        tellsSibling: true,
        write: (_start, { extension, sibling }) =>
          (sibling === undefined ? '' : `${sibling}.`) + usualExtension(extension).slice(1),
      }
    default: {
      const near = nearest(name, NAMES)
      throw layoutInvalid(
        KEY,
        `${whole} stands for nothing; ${near === undefined ? `known: ${NAMES.join(', ')}` : `did you mean {${near}}?`}`,
      )
    }
  }
}

function widthOf(whole: string, parameter: string | undefined): number {
  if (parameter === undefined) return 0
  if (!/^\d{1,2}$/u.test(parameter)) throw layoutInvalid(KEY, `${whole}: the parameter is a number of digits`)
  return Number(parameter)
}
