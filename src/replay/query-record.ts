import { MillpondError } from '../errors.ts'
import { type FilterJson, filterJson, parseFilter, RECORD_LIMITS } from '../search/filter-json.ts'
import type { MessageQuery } from '../search/query.ts'

/** A message query as plain JSON: what is bytes there is base64 here. */
export interface QueryRecord extends Omit<MessageQuery, 'key' | 'headers' | 'filter'> {
  readonly keyBase64?: string
  readonly headers?: readonly { readonly name: string; readonly equalsBase64?: string }[]
  /** As docs/search.md has it. */
  readonly filter?: FilterJson
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')

function fromBase64(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new MillpondError('INPUT_INVALID', 'a value of the query is no base64 text')
  return new Uint8Array(bytes)
}

/** The query as it is kept with a job. */
export function recordQuery(query: MessageQuery): QueryRecord {
  const { key, headers, filter, ...plain } = query
  return {
    ...plain,
    ...(key === undefined ? {} : { keyBase64: toBase64(key) }),
    ...(headers === undefined
      ? {}
      : {
          headers: headers.map(({ name, equals }) =>
            equals === undefined ? { name } : { name, equalsBase64: toBase64(equals) },
          ),
        }),
    ...(filter === undefined ? {} : { filter: filterJson(filter) }),
  }
}

/**
 * The query that was recorded.
 * @throws MillpondError `INPUT_INVALID` where a text is no base64, or the filter is none.
 */
export function queryOf(record: QueryRecord): MessageQuery {
  const { keyBase64, headers, filter, ...plain } = record
  return {
    ...plain,
    ...(keyBase64 === undefined ? {} : { key: fromBase64(keyBase64) }),
    ...(headers === undefined
      ? {}
      : {
          headers: headers.map(({ name, equalsBase64 }) =>
            equalsBase64 === undefined ? { name } : { name, equals: fromBase64(equalsBase64) },
          ),
        }),
    ...(filter === undefined ? {} : { filter: parseFilter(filter, 'filter', RECORD_LIMITS) }),
  }
}
