import { MillpondError } from '../../errors.ts'
import type { Schema } from '../openapi/schema.ts'

/** What a page of a list is asked with. */
export type PageQuery = Readonly<Record<string, string | undefined>>

/** Rows of a page whose size nobody says. */
const PAGE_ROWS = 100
/** Rows of a page at the most. */
const MAX_PAGE_ROWS = 1000

/** How many rows a page is to have, as the description of the interface says it. */
export const LIMIT: Schema = { type: 'integer', minimum: 1, maximum: MAX_PAGE_ROWS, default: PAGE_ROWS }
/** Some of the words, with commas between, as the description of the interface says it. */
export const someOf = (words: readonly string[]): Schema => ({
  type: 'string',
  pattern: `^(?:${words.join('|')})(?:,(?:${words.join('|')}))*$`,
  description: `some of ${words.join(', ')}, with commas between`,
})

/** The query. @throws MillpondError `INPUT_INVALID` where something is there several times, which is a list then, whatever the type says. */
export function onceEach(query: PageQuery): PageQuery {
  const several = Object.entries(query).find(([, value]) => typeof value !== 'string')
  if (several === undefined) return query
  throw new MillpondError('INPUT_INVALID', `${several[0].slice(0, 100)} is there several times`)
}

/** How many rows a page is to have. @throws MillpondError `INPUT_INVALID`. */
export function limitOf({ limit = String(PAGE_ROWS) }: PageQuery): number {
  if (/^[1-9]\d{0,3}$/u.test(limit) && Number(limit) <= MAX_PAGE_ROWS) return Number(limit)
  throw new MillpondError('INPUT_INVALID', `limit must be a number from 1 to ${MAX_PAGE_ROWS}`)
}

/** Words between commas; undefined where nothing is given. @throws MillpondError `INPUT_INVALID` for one that is not known. */
export function wordsOf<Word extends string>(
  name: string,
  given: string | undefined,
  known: readonly Word[],
): readonly Word[] | undefined {
  return given?.split(',').map((word) => {
    const found = known.find((one) => one === word)
    if (found !== undefined) return found
    throw new MillpondError('INPUT_INVALID', `${name} must be some of ${known.join(', ')}`)
  })
}
