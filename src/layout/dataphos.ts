import { escapeText, type Escaping } from './escape.ts'
import type { DataphosLayoutConfig } from './layout-config.ts'
import { extensionPart, type LaneName, type Part, text, timePart, usualExtension } from './parts.ts'
import { type LayoutPlan, layoutInvalid, zoneOf } from './plan.ts'
import { headerTerm } from './term-value.ts'
import { createTimeFormat } from './time-pattern.ts'

const PATTERNS: Readonly<Record<string, string>> = { year: 'yyyy', month: 'MM', day: 'dd', hour: 'HH' }
const DEFAULT_MASK = 'year/month/day/hour'
/** What Dataphos writes for an attribute that a message has not. */
const MISSING = 'unknown'

/**
 * Names as Dataphos Persistor writes them: `<custom values>/<mask>/<prefix>-<id of the first message>.<extension>`; the id of a message
 * of Kafka is `<partition>_<offset>`. Source: dataphos-persistor, behaviour read 2026-11.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planDataphos(config: DataphosLayoutConfig, strict: boolean): LayoutPlan {
  const escaping: Escaping = { strict }
  const tokens = (config.mask === '' ? DEFAULT_MASK : config.mask).split('/')
  const custom = tokens.filter((token) => Object.hasOwn(config.customValues, token))
  const rest = tokens.filter((token) => !custom.includes(token))
  const unused = Object.keys(config.customValues).find((name) => !custom.includes(name))
  if (unused !== undefined) throw layoutInvalid('dataphos.customValues', `${unused} does not stand in the mask`)
  const folder = [
    ...custom.map((token) => customPart(token, config.customValues[token]!, escaping)),
    ...rest.map((token) => tokenPart(token, config, escaping)),
  ].flatMap((part) => [part, text('/')])
  const id: Part = {
    kind: 'object',
    write: (start, _end, { lane }) => escapeText(start.id ?? `${lane}_${start.position}`, escaping),
  }
  const { msgExtension } = config
  const extension = extensionPart((own) => (msgExtension === undefined ? usualExtension(own) : `.${msgExtension}`))
  return {
    parts: [...folder, text(`${config.prefix}-`), id, extension],
    fields: [],
    isUnique: false,
    tellsTopic: custom.some((token) => config.customValues[token]!.includes('{topic}')),
  }
}

function customPart(name: string, value: string, escaping: Escaping): Part {
  const unknown = /\{(?!topic\}|lane\})[^}]*\}?/u.exec(value)?.[0]
  if (unknown !== undefined)
    throw layoutInvalid(`dataphos.customValues.${name}`, `${unknown} stands for nothing; {topic} and {lane} do`)
  if (value.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw layoutInvalid(`dataphos.customValues.${name}`, 'must be text that a folder can be called')
  }
  const write = ({ topic, lane }: LaneName): string =>
    value.replaceAll(/\{(topic|lane)\}/gu, (_, which) => escapeText(which === 'topic' ? topic : lane, escaping))
  return { kind: 'lane', name, write }
}

function tokenPart(token: string, { timestampSource, mask }: DataphosLayoutConfig, escaping: Escaping): Part {
  const pattern = PATTERNS[token.toLowerCase()]
  if (pattern !== undefined) {
    const zone = zoneOf('dataphos', 'UTC')
    const format = createTimeFormat(pattern, { zone, locale: 'en', flavour: 'java' })
    return timePart({ clock: { source: timestampSource }, format, name: token.toLowerCase() })
  }
  const header = /^\{(.+)\}$/u.exec(token)?.[1]
  if (header !== undefined)
    return { kind: 'term', create: () => headerTerm({ header, name: header, escaping, missing: MISSING }) }
  throw layoutInvalid(
    'dataphos.mask',
    token === '' || token === '{}'
      ? `${mask} has an empty part`
      : `${token} is none of year, month, day, hour, {header}, nor a key of layout.dataphos.customValues`,
  )
}
