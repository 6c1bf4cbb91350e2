/** What a code means at the edges. */
interface ErrorMeaning {
  readonly httpStatus: number
  readonly exitCode: number
  /** Whether the same call may succeed later without a change of input. */
  readonly retryable: boolean
}

const meaning = (httpStatus: number, exitCode: number, retryable = false): ErrorMeaning => ({ httpStatus, exitCode, retryable })

/**
 * Every error code of Millpond. Exit codes: 2 usage or bad input, 3 configuration, 4 not found, 5 archive damaged or verification
 * failed, 6 store, log or index cannot be used, 7 delivery failed, 8 conflict with another process, 1 a defect in Millpond.
 */
export const errorTable = {
  USAGE: meaning(400, 2),
  INPUT_INVALID: meaning(400, 2),
  QUERY_FAILED: meaning(400, 2),
  JQ_INVALID: meaning(400, 2),
  JQ_FAILED: meaning(400, 2),
  JSON_INVALID: meaning(400, 2),
  BODY_TOO_LARGE: meaning(413, 2),
  MESSAGE_TOO_LARGE: meaning(413, 2),
  MEDIA_TYPE_UNSUPPORTED: meaning(415, 2),
  NOT_ACCEPTABLE: meaning(406, 2),
  METHOD_NOT_ALLOWED: meaning(405, 2),
  TOPIC_INVALID: meaning(400, 2),
  TOPIC_EXISTS: meaning(409, 2),
  CONFIG_INVALID: meaning(500, 3),
  DEPENDENCY_MISSING: meaning(500, 3),
  NODE_TOO_OLD: meaning(500, 3),
  UNAUTHORIZED: meaning(401, 2),
  FORBIDDEN: meaning(403, 2),
  TOO_MANY_REQUESTS: meaning(429, 6, true),
  ISSUER_UNAVAILABLE: meaning(503, 6, true),
  AUDIT_UNAVAILABLE: meaning(503, 6, true),
  TOPIC_UNKNOWN: meaning(404, 4),
  LANE_UNKNOWN: meaning(404, 4),
  JOB_UNKNOWN: meaning(404, 4),
  SCHEDULE_UNKNOWN: meaning(404, 4),
  NOT_FOUND: meaning(404, 4),
  OBJECT_MISSING: meaning(404, 4),
  KEY_INVALID: meaning(400, 2),
  OBJECT_TOO_LARGE: meaning(413, 6),
  STORE_UNAVAILABLE: meaning(503, 6, true),
  STORE_REFUSED: meaning(502, 6),
  STORE_FULL: meaning(507, 6, true),
  STORE_READ_ONLY: meaning(503, 6),
  STORE_UNSAFE: meaning(500, 6),
  POSITION_GONE: meaning(410, 4),
  POSITION_INVALID: meaning(500, 5),
  SOURCE_TRUNCATED: meaning(500, 5),
  COMMIT_CORRUPT: meaning(500, 5),
  COMMIT_LOST_RACE: meaning(409, 8, true),
  CHAIN_BROKEN: meaning(500, 5),
  SEGMENT_CORRUPT: meaning(500, 5),
  SEGMENT_TAKEN: meaning(409, 8, true),
  NAME_TAKEN: meaning(409, 8),
  BLOCK_CORRUPT: meaning(500, 5),
  RECORD_SET_CORRUPT: meaning(500, 5),
  FORMAT_UNSUPPORTED: meaning(400, 2),
  FORMAT_NOT_READABLE: meaning(409, 2),
  LOG_CORRUPT: meaning(500, 5),
  LOG_UNAVAILABLE: meaning(503, 6, true),
  LOG_FULL: meaning(507, 6, true),
  BROKER_UNAVAILABLE: meaning(503, 6, true),
  BROKER_REFUSED: meaning(502, 6),
  REGISTRY_UNAVAILABLE: meaning(503, 6, true),
  REGISTRY_REFUSED: meaning(502, 6),
  SCHEMA_INVALID: meaning(400, 2),
  SCHEMA_DAMAGED: meaning(500, 5),
  MEMBER_REPLACED: meaning(409, 8),
  INDEX_CORRUPT: meaning(500, 5),
  INDEX_UNAVAILABLE: meaning(503, 6, true),
  INDEX_GAP: meaning(500, 5),
  TABLE_CORRUPT: meaning(500, 5),
  TABLE_MISMATCH: meaning(409, 2),
  TABLE_CONFLICT: meaning(409, 8, true),
  SCHEMA_CONFLICT: meaning(409, 2),
  CATALOG_UNAVAILABLE: meaning(503, 6, true),
  CATALOG_REFUSED: meaning(502, 6),
  ADDRESS_IN_USE: meaning(409, 8),
  VERIFY_FAILED: meaning(500, 5),
  SOURCE_DIFFERS: meaning(500, 5),
  OUTPUT_FAILED: meaning(500, 6),
  DELIVERY_FAILED: meaning(502, 7, true),
  JOB_CONFLICT: meaning(409, 8),
  SCHEDULE_CONFLICT: meaning(409, 8),
  FUNCTION_INVALID: meaning(400, 2),
  IMPORT_CONFLICT: meaning(409, 8),
  COMPACT_UNFIT: meaning(409, 2),
  COMPACT_CONFLICT: meaning(409, 8, true),
  TOPIC_HELD: meaning(409, 2),
  FORGET_INCOMPLETE: meaning(409, 2),
  JOBS_UNAVAILABLE: meaning(503, 6, true),
  JOBS_CORRUPT: meaning(500, 5),
  REPLAY_LOOP: meaning(409, 2),
  TOO_BUSY: meaning(503, 6, true),
  SEARCH_TOO_LARGE: meaning(413, 2),
  KERNEL_MISSING: meaning(500, 6),
  STOPPED: meaning(503, 130, true),
  INTERNAL: meaning(500, 1),
} as const satisfies Record<string, ErrorMeaning>

export type ErrorCode = keyof typeof errorTable

/** The one error class. Callers branch on `code`, never on `message`; no secret and no payload goes into either. */
export class MillpondError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; details?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillpondError'
    this.code = code
    this.details = options.details ?? {}
  }

  get httpStatus(): number {
    return errorTable[this.code].httpStatus
  }

  get exitCode(): number {
    return errorTable[this.code].exitCode
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable
  }
}

/** True for a MillpondError, of `code` where one is given. */
export function isMillpondError(error: unknown, code?: ErrorCode): error is MillpondError {
  return error instanceof MillpondError && (code === undefined || error.code === code)
}

/** The error as it is when it is ours, otherwise wrapped under `code` with `message` in front of its own. */
export function wrapError(
  error: unknown,
  code: ErrorCode,
  message: string,
  details: Record<string, unknown> = {},
): MillpondError {
  if (isMillpondError(error)) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new MillpondError(code, `${message}: ${reason}`, { cause: error, details })
}
