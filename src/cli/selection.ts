import { type Command, Option } from 'commander'
import { MillpondError } from '../errors.ts'
import { parseFilter, parseProgram } from '../search/filter-json.ts'
import type { FilterField, MessageFilter } from '../search/filter.ts'
import type { HeaderQuery, MessageQuery } from '../search/query.ts'
import { positionsOf, several, timeOf } from './parse.ts'

/** The options by which search and replay select messages; all that are given must hold. */
export interface SelectionOptions {
  readonly topic?: string
  readonly lane?: readonly string[]
  readonly from?: number
  readonly until?: number
  readonly position?: { readonly from?: number; readonly to?: number }
  readonly key?: readonly string[]
  readonly keyBase64?: readonly Uint8Array[]
  readonly id?: readonly string[]
  readonly header?: readonly (HeaderQuery | MessageFilter)[]
  readonly filter?: readonly MessageFilter[]
  readonly where?: readonly MessageFilter[]
}

/** Adds the options. */
export function addSelection(command: Command): Command {
  return addSelectionWithin(command.addOption(new Option('-t, --topic <topic>', 'messages of this topic')))
}

/** Adds all options but that of the topic, for a command that names it otherwise. */
export function addSelectionWithin(command: Command): Command {
  const text = several((word) => word)
  return command
    .addOption(new Option('-l, --lane <lane>', 'of this lane; may be given several times').argParser(text))
    .addOption(new Option('--from <time>', 'not before: RFC 3339, milliseconds, or -1h').argParser(timeOf('--from', Date.now)))
    .addOption(new Option('--until <time>', 'before this time').argParser(timeOf('--until', Date.now)))
    .addOption(new Option('--position <range>', 'positions 5..9 (9 is out), 5.., ..9 or 5').argParser(positionsOf))
    .addOption(new Option('--key <text>', 'with this key; given several times, with one of these').argParser(text))
    .addOption(
      new Option('--key-base64 <base64>', 'with this key, where it is no text; may be given several times').argParser(
        several(base64Of),
      ),
    )
    .addOption(new Option('--id <id>', 'with this id; given several times, with one of these').argParser(text))
    .addOption(
      new Option(
        '--header <test>',
        'with this header: NAME, NAME=VALUE, NAME^=PREFIX, NAME!=VALUE or !NAME; may be given several times',
      ).argParser(several(headerOf)),
    )
    .addOption(
      new Option('--filter <json>', 'that pass this filter (docs/search.md); may be given several times').argParser(
        several(filterOf),
      ),
    )
    .addOption(
      new Option('--where <program>', 'whose value passes this jq program; may be given several times').argParser(
        several((program) => ({ jq: parseProgram(program, '--where') })),
      ),
    )
}

/** Reads a test of headers; what a query has no words for is a filter. */
function headerOf(text: string): HeaderQuery | MessageFilter {
  const at = text.indexOf('=')
  if (at === -1) return text.startsWith('!') ? { field: `header:${text.slice(1)}`, test: { exists: false } } : { name: text }
  const value = Buffer.from(text.slice(at + 1))
  const sign = text[at - 1]
  const field: FilterField = `header:${text.slice(0, at - 1)}`
  if (sign === '^') return { field, test: { prefix: value } }
  if (sign === '!') return { not: { field, test: { equals: value } } }
  return { name: text.slice(0, at), equals: value }
}

function filterOf(text: string): MessageFilter {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new MillpondError('USAGE', `--filter is no JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  return parseFilter(json, '--filter')
}

/** The query of the options, half-open in time and positions. */
export function queryOf(options: SelectionOptions): MessageQuery {
  const { topic, lane, from, until, position, key, keyBase64, id, header = [], filter = [], where = [] } = options
  const timestamps = { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { to: until }) }
  const keys = [...(key ?? []).map((text) => Buffer.from(text)), ...(keyBase64 ?? [])]
  const headers = header.flatMap((one) => ('name' in one ? [one] : []))
  const filters: readonly MessageFilter[] = [
    ...(keys.length > 1 ? [{ field: 'key' as const, test: { in: keys } }] : []),
    ...(id !== undefined && id.length > 1 ? [{ field: 'id', test: { in: id.map((text) => Buffer.from(text)) } } as const] : []),
    ...header.flatMap((one) => ('name' in one ? [] : [one])),
    ...filter,
    ...where,
  ]
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(lane === undefined ? {} : { lanes: lane }),
    ...(from === undefined && until === undefined ? {} : { timestamps }),
    ...(position === undefined ? {} : { positions: position }),
    ...(keys.length === 1 ? { key: keys[0]! } : {}),
    ...(id?.length === 1 ? { id: id[0]! } : {}),
    ...(headers.length === 0 ? {} : { headers }),
    ...(filters.length === 0 ? {} : { filter: filters.length === 1 ? filters[0]! : { and: filters } }),
  }
}

function base64Of(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw new MillpondError('USAGE', '--key-base64 is no base64 with padding')
}
