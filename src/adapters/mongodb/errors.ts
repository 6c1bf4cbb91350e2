import { type ErrorCode, type MillpondError, wrapError } from '../../errors.ts'
import { REMEDY } from '../../index/segment-index.ts'

const DUPLICATE_KEY = 11_000
const NAMESPACE_NOT_FOUND = 26

/** Any error of the driver or of what was read as ours. */
export function mongoError(error: unknown, codes: { unavailable: ErrorCode; corrupt: ErrorCode }, name: string): MillpondError {
  if (error instanceof RangeError || error instanceof SyntaxError)
    return wrapError(error, codes.corrupt, `${name} is damaged${codes.corrupt === 'INDEX_CORRUPT' ? ` (${REMEDY})` : ''}`)
  return wrapError(error, codes.unavailable, `${name} cannot be used`)
}

/** True where a document with that `_id` is there already. */
export const isDuplicate = (error: unknown): boolean => codeOf(error) === DUPLICATE_KEY

/** True where a collection is not there. */
export const isNoCollection = (error: unknown): boolean =>
  codeOf(error) === NAMESPACE_NOT_FOUND || (error instanceof Error && error.message === 'ns not found')

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined)
