import { type ErrorCode, isMillpondError, MillpondError } from '../../errors.ts'
import type { FailedRow } from '../../sink/inlet.ts'

/**
 * The proxy's error codes that are used here. Source: confluentinc/kafka-rest 985d0e0, `Errors.java`, and confluentinc/rest-utils, its mappers,
 * read 2026-11-29.
 */
export const REST = {
  badRequest: 400,
  notFound: 404,
  methodNotAllowed: 405,
  notAcceptable: 406,
  tooLarge: 413,
  mediaType: 415,
  invalid: 422,
  internal: 500,
  kafkaBadRequest: 40002,
  unauthenticated: 40101,
  unauthorized: 40301,
  topicUnknown: 40401,
  partitionUnknown: 40402,
  keySchemaMissing: 42201,
  valueSchemaMissing: 42202,
  conversion: 42203,
  schemaInvalid: 42205,
  payload: 42206,
  serialization: 42207,
  tooManyRequests: 42901,
  kafka: 50002,
  kafkaRetriable: 50003,
  brokerUnavailable: 50302,
} as const

/** An error as the proxy tells it. */
export interface RestError {
  readonly status: number
  readonly errorCode: number
  readonly message: string
}

/** Codes of errors that say nothing of the proxy's. */
const CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  INPUT_INVALID: REST.badRequest,
  JSON_INVALID: REST.badRequest,
  SCHEMA_INVALID: REST.schemaInvalid,
  REGISTRY_REFUSED: REST.serialization,
  TOPIC_INVALID: REST.kafkaBadRequest,
  TOPIC_UNKNOWN: REST.topicUnknown,
  LANE_UNKNOWN: REST.partitionUnknown,
  NOT_FOUND: REST.notFound,
  METHOD_NOT_ALLOWED: REST.methodNotAllowed,
  NOT_ACCEPTABLE: REST.notAcceptable,
  MEDIA_TYPE_UNSUPPORTED: REST.mediaType,
  BODY_TOO_LARGE: REST.tooLarge,
  MESSAGE_TOO_LARGE: REST.tooLarge,
  UNAUTHORIZED: REST.unauthenticated,
  FORBIDDEN: REST.unauthorized,
  TOO_BUSY: REST.tooManyRequests,
  TOO_MANY_REQUESTS: REST.tooManyRequests,
  BROKER_UNAVAILABLE: REST.brokerUnavailable,
}

/** What the proxy calls some errors, word for word: clients look for these. */
const WORDS: Readonly<Record<number, string>> = {
  [REST.notFound]: 'HTTP 404 Not Found',
  [REST.methodNotAllowed]: 'HTTP 405 Method Not Allowed',
  [REST.notAcceptable]: 'HTTP 406 Not Acceptable',
  [REST.mediaType]: 'HTTP 415 Unsupported Media Type',
  [REST.topicUnknown]: 'Topic not found.',
  [REST.partitionUnknown]: 'Partition not found.',
  [REST.keySchemaMissing]: 'Request includes keys but does not include key schema',
  [REST.valueSchemaMissing]: 'Request includes values but does not include value schema',
}

/** What the proxy begins some messages with. */
const PREFIXES: Readonly<Record<number, string>> = {
  [REST.conversion]: 'Conversion of JSON to Object failed: ',
  [REST.schemaInvalid]: 'Invalid schema: ',
  [REST.payload]: 'Payload error. ',
  [REST.serialization]: 'Error serializing message. ',
}

/** An error under a code of the proxy's. */
export function refuse(errorCode: number, message = WORDS[errorCode] ?? '', cause?: unknown): MillpondError {
  const isOfSchema = errorCode >= REST.keySchemaMissing && errorCode <= REST.serialization
  return new MillpondError(isOfSchema ? 'SCHEMA_INVALID' : 'INPUT_INVALID', message, { cause, details: { errorCode } })
}

/** The status of an error code: its first three digits. */
const statusOf = (errorCode: number): number => (errorCode > 999 ? Math.floor(errorCode / 100) : errorCode)

/** How the proxy would tell an error. */
export function restError(error: MillpondError): RestError {
  const errorCode = errorCodeOf(error)
  const message = WORDS[errorCode] ?? `${PREFIXES[errorCode] ?? ''}${error.message}`
  return { status: statusOf(errorCode), errorCode, message }
}

function errorCodeOf({ code, details, retryable, httpStatus }: MillpondError): number {
  if (typeof details['errorCode'] === 'number') return details['errorCode']
  if (code === 'BROKER_REFUSED' || code === 'DELIVERY_FAILED') return refusalCode(details['reason'], retryable)
  return CODES[code] ?? (retryable ? REST.kafkaRetriable : httpStatus < 500 ? REST.badRequest : REST.internal)
}

/** The code for what Kafka refuses, by Kafka's own name of it. */
function refusalCode(reason: unknown, retryable: boolean): number {
  const name = typeof reason === 'string' ? reason : ''
  if (name.includes('SASL') || name.includes('AUTHENTICATION')) return REST.unauthenticated
  if (name.includes('AUTHORIZATION')) return REST.unauthorized
  if (name === 'INVALID_TOPIC_EXCEPTION' || name === 'POLICY_VIOLATION') return REST.kafkaBadRequest
  return retryable ? REST.kafkaRetriable : REST.kafka
}

/** What the answer says of a record that was not taken. */
export interface RecordError {
  readonly errorCode: number
  readonly error: string
}

/** A record that a broker, or a limit of ours, does not take. */
export const recordError = ({ reason, isLaneUnknown }: FailedRow): RecordError => ({
  errorCode: isLaneUnknown ? REST.partitionUnknown : REST.kafka,
  error: isLaneUnknown ? WORDS[REST.partitionUnknown]! : reason,
})

const OF_BROKER = new Set<ErrorCode>(['BROKER_UNAVAILABLE', 'BROKER_REFUSED', 'DELIVERY_FAILED'])
const OF_REQUEST = new Set<number>([REST.kafkaBadRequest])

/**
 * What each record's error is where Kafka took none of them; undefined where the whole request is answered with an error: those are not of Kafka, or
 * say that the request is wrong.
 */
export function errorOfAll(error: unknown): RecordError | undefined {
  if (!isMillpondError(error) || !OF_BROKER.has(error.code)) return undefined
  const errorCode = error.code === 'BROKER_UNAVAILABLE' ? REST.kafkaRetriable : errorCodeOf(error)
  return OF_REQUEST.has(errorCode) ? undefined : { errorCode, error: error.message }
}

/** The status of an answer to a request that was taken, record by record. */
export function statusOfRecords(errors: Iterable<RecordError>): number {
  for (const { errorCode } of errors) {
    if (errorCode === REST.unauthenticated || errorCode === REST.unauthorized) return statusOf(errorCode)
  }
  return 200
}

/** The JSON text of an error. */
export const restErrorJson = ({ errorCode, message }: RestError): string => JSON.stringify({ error_code: errorCode, message })
