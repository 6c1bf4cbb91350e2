import { isMillpondError, MillpondError } from '../errors.ts'
import type { Taken } from '../sink/inlet.ts'

/** The JSON text that says where messages went; lane by lane, and one by one where the log says it so. */
export function takenJson(count: number, { lanes, rows }: Taken): string {
  let text = `{"count":${count},"lanes":[`
  for (const [i, { lane, firstPosition, count: inLane }] of lanes.entries()) {
    text += `${i === 0 ? '' : ','}{"lane":${JSON.stringify(lane)},"firstPosition":${firstPosition},"count":${inLane}}`
  }
  text += ']'
  if (rows !== undefined) {
    text += ',"positions":['
    for (let row = 0; row < count; row++) {
      text += `${row === 0 ? '' : ','}{"lane":${JSON.stringify(lanes[rows.laneIndex[row]!]!.lane)},"position":${rows.positions[row]!}}`
    }
    text += ']'
  }
  return `${text}}`
}

/** Codes of the HTTP framework that have one of ours. */
const FRAMEWORK_CODES: Readonly<Record<string, 'BODY_TOO_LARGE' | 'MEDIA_TYPE_UNSUPPORTED' | 'INPUT_INVALID'>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'BODY_TOO_LARGE',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'MEDIA_TYPE_UNSUPPORTED',
  FST_ERR_BAD_URL: 'INPUT_INVALID',
  FST_ERR_MAX_PARAM_LENGTH: 'INPUT_INVALID',
  // The caller went away before its body was complete.
  ECONNRESET: 'INPUT_INVALID',
}

/** Any error of a request as one of ours. What we do not know is a defect, unless the framework says that the request is wrong. */
export function requestError(error: unknown): MillpondError {
  if (isMillpondError(error)) return error
  const { code, statusCode, message } = (error ?? {}) as { code?: string; statusCode?: number; message?: string }
  const known = code === undefined ? undefined : FRAMEWORK_CODES[code]
  if (known !== undefined) return new MillpondError(known, message ?? known, { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new MillpondError('INPUT_INVALID', message ?? 'the request is wrong', { cause: error })
  }
  return new MillpondError('INTERNAL', 'a defect in Millpond; its log says more', { cause: error })
}

/**
 * The JSON text of an error, with what helps to find the place, here and in the log: nothing of a message's content is in it. Details never take the place of
 * what every error has.
 */
export function errorJson({ code, message, details }: MillpondError, requestId: string): string {
  return JSON.stringify({ error: Object.assign({ code, message }, details, { code, message, requestId }) })
}
