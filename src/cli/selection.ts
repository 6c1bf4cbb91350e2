import { type Command, Option } from 'commander'
import { MillpondError } from '../errors.ts'
import type { HeaderQuery, MessageQuery } from '../search/query.ts'
import { positionsOf, several, timeOf } from './parse.ts'

/** The options by which search and replay select messages; all that are given must hold. */
export interface SelectionOptions {
  readonly topic?: string
  readonly lane?: readonly string[]
  readonly from?: number
  readonly until?: number
  readonly position?: { readonly from?: number; readonly to?: number }
  readonly key?: string
  readonly keyBase64?: string
  readonly id?: string
  readonly header?: readonly HeaderQuery[]
}

/** Adds the options. */
export function addSelection(command: Command): Command {
  return command
    .addOption(new Option('-t, --topic <topic>', 'messages of this topic'))
    .addOption(new Option('-l, --lane <lane>', 'of this lane; may be given several times').argParser(several((text) => text)))
    .addOption(new Option('--from <time>', 'not before: RFC 3339, milliseconds, or -1h').argParser(timeOf('--from', Date.now)))
    .addOption(new Option('--until <time>', 'before this time').argParser(timeOf('--until', Date.now)))
    .addOption(new Option('--position <range>', 'positions 5..9 (9 is out), 5.., ..9 or 5').argParser(positionsOf))
    .addOption(new Option('--key <text>', 'with this key').conflicts('keyBase64'))
    .addOption(new Option('--key-base64 <base64>', 'with this key, where it is no text'))
    .addOption(new Option('--id <id>', 'with this id'))
    .addOption(new Option('--header <name[=value]>', 'with this header; may be given several times').argParser(several(headerOf)))
}

/** Reads `name` or `name=value`. */
function headerOf(text: string): HeaderQuery {
  const at = text.indexOf('=')
  if (at === -1) return { name: text }
  return { name: text.slice(0, at), equals: Buffer.from(text.slice(at + 1)) }
}

/** The query of the options, half-open in time and positions. */
export function queryOf(options: SelectionOptions): MessageQuery {
  const { topic, lane, from, until, position, key, keyBase64, id, header } = options
  const timestamps = { ...(from === undefined ? {} : { from }), ...(until === undefined ? {} : { to: until }) }
  const keyBytes = key === undefined ? base64Of(keyBase64) : Buffer.from(key)
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(lane === undefined ? {} : { lanes: lane }),
    ...(from === undefined && until === undefined ? {} : { timestamps }),
    ...(position === undefined ? {} : { positions: position }),
    ...(keyBytes === undefined ? {} : { key: keyBytes }),
    ...(id === undefined ? {} : { id }),
    ...(header === undefined ? {} : { headers: header }),
  }
}

function base64Of(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw new MillpondError('USAGE', '--key-base64 is no base64 with padding')
}
