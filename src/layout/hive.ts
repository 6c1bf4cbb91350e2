import { escapeText, type Escaping } from './escape.ts'
import type { HiveLayoutConfig } from './layout-config.ts'
import { extensionPart, type Part, positionPart, text, timePart, usualExtension } from './parts.ts'
import { pathSegment } from './path-segment.ts'
import { clockOf, type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import { fieldTerm } from './term-value.ts'
import { createTimeFormat } from './time-pattern.ts'

/** Digits of a position, as in the `millpond` layout: names sort as positions do. */
const POSITION_DIGITS = 16

const PATTERNS = {
  none: undefined,
  year: "'year='yyyy",
  month: "'year='yyyy/'month='MM",
  day: "'year='yyyy/'month='MM/'day='dd",
  hour: "'year='yyyy/'month='MM/'day='dd/'hour='HH",
} as const

/** The names of folders that a time gives. */
const TIME_NAMES = new Set(['year', 'month', 'day', 'hour'])

/**
 * Folders that engines read as columns: `<prefix>/<topic>/year=2018/month=01/day=04/<field>=<value>/<position>-<lane>.<extension>`.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planHive(config: HiveLayoutConfig, strict: boolean): LayoutPlan {
  // Engines read `%XX` in such folders as what it stands for.
  const escaping: Escaping = { strict, delimiters: strict ? '' : '"#\'*:?{}[]^' }
  const zone = zoneOf('hive.timezone', config.timezone)
  const pattern = PATTERNS[config.by]
  const { clock, fields } = clockOf(config.timestampExtractor, { field: config.timestampField, zone })
  const parts: Part[] = [
    text(config.prefix === '' ? '' : `${config.prefix}/`),
    { kind: 'lane', name: 'topic', write: ({ topic }) => escapeText(topic, escaping) },
    text('/'),
  ]
  if (pattern !== undefined) {
    const format = createTimeFormat(pattern, { zone, locale: 'en', flavour: 'java' })
    parts.push(timePart({ clock, format }), text('/'))
  }
  for (const field of config.fields) {
    if (TIME_NAMES.has(field) && pattern !== undefined)
      throw layoutInvalid('hive.fields', `${field} is the name of a folder already`)
    const options = {
      field,
      name: field,
      before: `${escapeText(field, escaping)}=`,
      missing: config.nullPartition,
      allowEmpty: false,
      escaping,
    }
    parts.push({ kind: 'term', create: () => fieldTerm(options) }, text('/'))
  }
  parts.push(
    positionPart(POSITION_DIGITS),
    { kind: 'object', write: (_start, _end, { lane }) => `-${pathSegment(lane)}` },
    extensionPart(usualExtension),
  )
  return {
    parts,
    fields: [...new Set([...(pattern === undefined ? [] : fields), ...config.fields])],
    isUnique: false,
    tellsTopic: true,
  }
}
