import { MillpondError } from '../errors.ts'

/**
 * The body of a request as JSON.
 * @throws MillpondError `INPUT_INVALID` where it is none.
 */
export function bodyJson(body: Buffer | undefined): unknown {
  try {
    return JSON.parse(body?.toString() ?? '')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new MillpondError('INPUT_INVALID', `the body is no JSON: ${reason}`, { cause: error })
  }
}
