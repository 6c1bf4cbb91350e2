import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import type { Purpose } from './cluster-connections.ts'
import { isMetadataStale, kafkaError, kafkaErrorName } from './cluster-errors.ts'
import type { ProduceAnswer, ProduceRequest } from './sink-produce.ts'
import { createProduceApi } from './sink-produce.ts'
import type { Verdict } from './sink-producer.ts'

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const OF_ROWS = new Set(['INVALID_TIMESTAMP', 'INVALID_RECORD'])
const OUT_OF_ORDER = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'])
/** Another run of the same producer has begun, or the broker gave the transaction up. */
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])

/** Whether Kafka's error says that a newer run of this producer is at work. */
export const isFenced = (reason: string | undefined): boolean => reason !== undefined && FENCED.has(reason)

/** Sends batches to the leaders of their partitions, once each, and says what the answers mean. */
export function createSender(cluster: Cluster, purpose: Purpose): (request: ProduceRequest) => Promise<Verdict> {
  const versions = [createProduceApi(cluster.protocol)]
  return async (request) => {
    const { topic, partition } = request
    try {
      const answer = await cluster.request({ topic, partition }, versions, [request], { once: true, purpose })
      const verdict = verdictOf(cluster, answer, `${topic}/${partition}`)
      if (verdict.kind === 'passing' && isMetadataStale(verdict.error)) cluster.forget(topic)
      return verdict
    } catch (error) {
      const wrapped = wrapError(error, 'INTERNAL', `batch for ${topic}/${partition}`)
      // A topic that was just made is not known to every broker yet.
      const isPassing = wrapped.retryable || isMillpondError(wrapped, 'TOPIC_UNKNOWN')
      return { kind: isPassing ? 'passing' : 'fatal', error: wrapped }
    }
  }
}

function verdictOf({ protocol }: Cluster, { code, baseOffset, rows, message }: ProduceAnswer, place: string): Verdict {
  const name = code === 0 ? 'NONE' : kafkaErrorName(protocol, code)
  // The broker has it from an earlier attempt whose answer was lost.
  if (code === 0 || name === 'DUPLICATE_SEQUENCE_NUMBER') return { kind: 'done', baseOffset }
  const reason = message === null ? name : `${name}: ${message}`
  if (TOO_LARGE.has(name)) return { kind: 'too-large', reason }
  if (OF_ROWS.has(name)) return { kind: 'rows', rows, reason }
  const error = kafkaError(protocol, code, { what: `a batch for ${place}` }, message)
  if (OUT_OF_ORDER.has(name)) {
    return { kind: 'order', error: new MillpondError('DELIVERY_FAILED', error.message, { cause: error, details: error.details }) }
  }
  return { kind: error.retryable ? 'passing' : 'fatal', error }
}
