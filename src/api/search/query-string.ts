import { MillpondError } from '../../errors.ts'
import { meant } from '../../search/filter-json.ts'

/** A query string as Fastify reads it. */
export type QueryString = Readonly<Record<string, string | readonly string[]>>

const SINGLE = [
  'topic',
  'topicId',
  'position',
  'from',
  'to',
  'keyBase64',
  'where',
  'filter',
  'order',
  'limit',
  'cursor',
  'format',
  'decode',
] as const
const SEVERAL = ['lane', 'id', 'key', 'header', 'fields'] as const
const NAMES = [...SINGLE, ...SEVERAL]

/** What a query string may have. */
export type QueryName = (typeof NAMES)[number]

function invalid(path: string, why: string): MillpondError {
  return new MillpondError('INPUT_INVALID', `${path}: ${why}`, { details: { path } })
}

/**
 * The search of a query string in the form of a body; its values are checked where bodies are.
 * @throws MillpondError `INPUT_INVALID`.
 */
export function requestOfQueryString(given: QueryString): Record<string, unknown> {
  for (const name of Object.keys(given)) {
    if (!NAMES.some((one) => one === name)) throw invalid(name.slice(0, 100), `is unknown${meant(name, NAMES)}`)
  }
  const one = (name: (typeof SINGLE)[number]): string | undefined => {
    const value = given[name]
    if (value === undefined || typeof value === 'string') return value
    throw invalid(name, 'is there several times')
  }
  const all = (name: (typeof SEVERAL)[number]): string[] | undefined => {
    const value = given[name]
    return value === undefined ? undefined : [value].flat()
  }
  const [keys, base64] = [all('key'), one('keyBase64')]
  const headers = all('header')?.map(headerOf)
  const filter = one('filter')
  const filters = [...(filter === undefined ? [] : [parseJson(filter)]), ...(headers ?? [])]
  return {
    topic: one('topic'),
    topicId: one('topicId'),
    lanes: all('lane'),
    positions: positionsOf(one('position')),
    from: one('from'),
    to: one('to'),
    ids: all('id'),
    keys:
      keys === undefined && base64 === undefined ? undefined : [...(keys ?? []), ...(base64 === undefined ? [] : [{ base64 }])],
    filter: filters.length > 1 ? { and: filters } : filters[0],
    where: one('where'),
    order: one('order'),
    limit: numberOf(one('limit')),
    cursor: one('cursor'),
    format: one('format'),
    fields: all('fields')?.flatMap((names) => names.split(',')),
    decode: truthOf(one('decode')),
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid('filter', `is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

const numberOf = (text: string | undefined): unknown => (text !== undefined && /^\d{1,15}$/u.test(text) ? Number(text) : text)

const truthOf = (text: string | undefined): unknown => {
  if (text === 'true' || text === '') return true
  return text === 'false' ? false : text
}

/** `5..9` (9 is out), `5..`, `..9` or `5` alone. */
function positionsOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  const [, first, dots, last] = /^(\d{0,15})(\.\.)?(\d{0,15})$/u.exec(text) ?? []
  const isRange = dots !== undefined && (first !== '' || last !== '')
  if (!isRange && (first === undefined || first === '' || last !== '')) {
    throw invalid('position', 'must be a range like 5..9 (9 is out), 5.., ..9, or 5 alone')
  }
  if (!isRange) return { from: Number(first), to: Number(first) + 1 }
  return { ...(first === '' ? {} : { from: Number(first) }), ...(last === '' ? {} : { to: Number(last) }) }
}

/** `name=value`, `name!=value`, `name^=prefix`, `name` (it is there) or `!name` (it is not), as a part of a filter. */
function headerOf(text: string): unknown {
  const at = text.indexOf('=')
  if (at === -1) {
    return text.startsWith('!') ? { field: `header:${text.slice(1)}`, exists: false } : { field: `header:${text}`, exists: true }
  }
  const value = text.slice(at + 1)
  const sign = text[at - 1]
  if (sign === '^') return { field: `header:${text.slice(0, at - 1)}`, prefix: value }
  if (sign === '!') return { not: { field: `header:${text.slice(0, at - 1)}`, equals: value } }
  return { field: `header:${text.slice(0, at)}`, equals: value }
}
