import { isMillpondError, MillpondError } from '../../errors.ts'
import { protocol } from './protocol.ts'

/** What was being done when a call failed, for the message. */
export interface Doing {
  /** What was asked, in words: `Fetch`, `the connection`. */
  readonly what: string
  /** The broker's address. */
  readonly broker?: string
}

/** Kafka's errors after which the leader of a partition, or the topic's id, must be looked up again. */
const STALE_METADATA = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'BROKER_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_ID',
  'INCONSISTENT_TOPIC_ID',
  'NOT_CONTROLLER',
])
const STALE_COORDINATOR = new Set(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'BROKER_NOT_AVAILABLE'])

/** Errors that pass, beside those that Kafka's own list marks so. */
const PASSING = new Set([
  'UNKNOWN_SERVER_ERROR',
  'BROKER_NOT_AVAILABLE',
  'THROTTLING_QUOTA_EXCEEDED',
  'KAFKA_STORAGE_ERROR',
  'CONCURRENT_TRANSACTIONS',
])

const remedies: Readonly<Record<string, string>> = {
  SASL_AUTHENTICATION_FAILED: 'check the user name and password or token',
  UNSUPPORTED_SASL_MECHANISM: 'set a SASL mechanism that the listener has',
  ILLEGAL_SASL_STATE: 'the listener speaks SASL, or does not: check the port and the SASL settings',
  TOPIC_AUTHORIZATION_FAILED: 'give this user the right to read and describe the topic',
  GROUP_AUTHORIZATION_FAILED: 'give this user the right to read the consumer group',
  CLUSTER_AUTHORIZATION_FAILED: 'give this user the right on the cluster',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'give this user the right to write with the transactional id',
  UNSUPPORTED_VERSION: 'this broker does not know the request: it is too old, or the feature is off',
}

/** The name that Kafka's protocol gives an error code, such as `NOT_LEADER_OR_FOLLOWER`. */
export function kafkaErrorName(code: number): string {
  const names: Readonly<Record<number, string>> = protocol.protocolErrorsCodesById
  return names[code] ?? `ERROR_${code}`
}

/** The MillpondError of a Kafka error code; `details.reason` is Kafka's name of it. */
export function kafkaError(code: number, { what, broker }: Doing, text?: string | null): MillpondError {
  const reason = kafkaErrorName(code)
  const known: Readonly<Record<string, { readonly canRetry: boolean; readonly message: string }>> = protocol.protocolErrors
  const isPassing = PASSING.has(reason) || known[reason]?.canRetry === true
  const remedy = remedies[reason]
  const said = text ?? known[reason]?.message ?? 'an error that this version does not know'
  const message = `${what}${broker === undefined ? '' : ` at ${broker}`}: ${reason}: ${said}${remedy === undefined ? '' : `; ${remedy}`}`
  return new MillpondError(isPassing ? 'BROKER_UNAVAILABLE' : 'BROKER_REFUSED', message, { details: { reason, broker } })
}

/** Kafka's name of the error that `error` stands for; undefined where it is none of Kafka's. */
export function reasonOf(error: unknown): string | undefined {
  const reason = isMillpondError(error) ? error.details['reason'] : undefined
  return typeof reason === 'string' ? reason : undefined
}

/** Whether what is known of topics and leaders may be wrong after this error. */
export const isMetadataStale = (error: unknown): boolean => STALE_METADATA.has(reasonOf(error) ?? '')

/** Whether another broker may be the coordinator by now. */
export const isCoordinatorStale = (error: unknown): boolean => STALE_COORDINATOR.has(reasonOf(error) ?? '')

/** The error, those it was caused by and those it is made of, outermost first. */
function* chain(error: unknown): Generator<Error> {
  if (!(error instanceof Error)) return
  yield error
  for (const inner of 'errors' in error && Array.isArray(error.errors) ? error.errors : []) yield* chain(inner)
  yield* chain(error.cause)
}

const property = (error: Error, name: string): unknown => (error as unknown as Record<string, unknown>)[name]

const TLS_TROUBLE = /^(?:ERR_SSL|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA|ERR_OSSL)/u

/** Any failure of a call to a broker as a MillpondError; what is one already stays. */
export function brokerError(error: unknown, doing: Doing): MillpondError {
  const errors = [...chain(error)]
  const own = errors.find((each) => isMillpondError(each))
  if (own !== undefined) return own
  const answered = errors.find((each) => typeof property(each, 'apiCode') === 'number')
  if (answered !== undefined) {
    const text = property(answered, 'serverErrorMessage')
    return kafkaError(Number(property(answered, 'apiCode')), doing, typeof text === 'string' ? text : null)
  }
  const at = `${doing.what}${doing.broker === undefined ? '' : ` at ${doing.broker}`}`
  const details = { broker: doing.broker }
  const innermost = errors.at(-1)
  const reason = innermost?.message ?? String(error)
  const codes = errors.map((each) => property(each, 'code')).filter((code) => typeof code === 'string')
  if (codes.some((code) => TLS_TROUBLE.test(code))) {
    const remedy = 'check that the port speaks TLS, and the authority and certificates that are set'
    return new MillpondError('BROKER_REFUSED', `${at}: TLS: ${reason}; ${remedy}`, { cause: innermost, details })
  }
  if (errors.some((each) => each.message.startsWith('Broker requires TLS'))) {
    const message = `${at}: the port speaks TLS; set TLS for these brokers, or another port`
    return new MillpondError('BROKER_REFUSED', message, { details })
  }
  const isNetwork = codes.some((code) => code === 'PLT_KFK_NETWORK' || code === 'PLT_KFK_TIMEOUT')
  const isRefusal = codes.includes('PLT_KFK_AUTHENTICATION') && !errors.slice(1).some(isConnectionLoss)
  if (isRefusal) {
    const message = `${at}: ${reason}; check the SASL mechanism, user name and password or token`
    return new MillpondError('BROKER_REFUSED', message, { details })
  }
  const remedy = isNetwork ? remedyOfNetwork(codes, reason) : undefined
  const message = `${at}: ${reason}${remedy === undefined ? '' : `; ${remedy}`}`
  return new MillpondError('BROKER_UNAVAILABLE', message, { cause: innermost, details })
}

const isConnectionLoss = (error: Error): boolean => /^Connection (?:closed|error)|timed out/u.test(error.message)

function remedyOfNetwork(codes: readonly string[], reason: string): string | undefined {
  if (codes.includes('ENOTFOUND') || codes.includes('EAI_AGAIN')) return 'check the host name'
  if (codes.includes('ECONNREFUSED')) return 'check that the broker runs and listens there'
  if (reason.includes('before secure TLS connection')) return 'check that the port speaks TLS'
  if (reason.startsWith('Connection closed')) return 'the broker may be stopping, or its port may want TLS or SASL'
  return undefined
}
