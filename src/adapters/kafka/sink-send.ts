import { isMillpondError, MillpondError, wrapError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import type { Purpose } from './cluster-connections.ts'
import { isMetadataStale, kafkaError, kafkaErrorName } from './cluster-errors.ts'
import { partitionName } from './offsets.ts'
import type { ProduceAnswer, ProduceBatch } from './sink-produce.ts'
import { bytesOf, createProduceApi } from './sink-produce.ts'
import type { Verdict } from './sink-producer.ts'

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
const OF_ROWS = new Set(['INVALID_TIMESTAMP', 'INVALID_RECORD'])
const OUT_OF_ORDER = new Set(['OUT_OF_ORDER_SEQUENCE_NUMBER', 'UNKNOWN_PRODUCER_ID'])
/** Another run of the same producer has begun, or the broker gave the transaction up. */
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])

const UNKNOWN_SERVER_ERROR = -1

/** Whether Kafka's error says that a newer run of this producer is at work. */
export const isFenced = (reason: string | undefined): boolean => reason !== undefined && FENCED.has(reason)

/** How batches are sent. */
export interface SendOptions {
  readonly purpose: Purpose
  readonly transactionalId: string | null
  /** What a broker waits for its replicas. */
  readonly timeoutMs: number
}

/** Requests that one broker has at a time: one is answered while the next is on its way and those after it gather. */
const MAX_REQUESTS = 3
/** What a request brings, about; brokers take much more. */
const REQUEST_BYTES = 4 * 1024 * 1024

/** A batch on its way. */
interface Sending {
  readonly batch: ProduceBatch
  readonly verdict: PromiseWithResolvers<Verdict>
}

/** Batches for the partitions that one broker leads. */
interface Lineup {
  waiting: Sending[]
  requests: number
  isDue: boolean
}

/**
 * Sends batches to the leaders of their partitions, once each, and says what the answers mean. What is to go to one broker while others are on
 * their way goes together, of each partition one batch a request: a request costs both sides as much as some hundred messages do. Batches of
 * a partition go in the order of the calls.
 */
export function createSender(cluster: Cluster, options: SendOptions): (batch: ProduceBatch) => Promise<Verdict> {
  const versions = [createProduceApi()]
  const lineups = new Map<number, Lineup>()

  const lineupOf = (node: number): Lineup => {
    const there = lineups.get(node)
    if (there !== undefined) return there
    const made = { waiting: [], requests: 0, isDue: false }
    lineups.set(node, made)
    return made
  }
  const produce = async (node: number, round: readonly Sending[]): Promise<void> => {
    const { purpose, transactionalId, timeoutMs } = options
    const request = { batches: round.map(({ batch }) => batch), transactionalId, timeoutMs }
    try {
      const answers = await cluster.request({ node }, versions, [request], { once: true, purpose })
      const byName = new Map(answers.map((answer) => [partitionName(answer), answer]))
      for (const { batch, verdict } of round) {
        const answer = byName.get(partitionName(batch)) ?? unanswered(batch)
        const found = verdictOf(answer, partitionName(batch))
        if (found.kind === 'passing' && isMetadataStale(found.error)) cluster.forget(batch.topic)
        verdict.resolve(found)
      }
    } catch (error) {
      for (const { batch, verdict } of round) {
        // Another broker may lead the partition by now.
        cluster.forget(batch.topic)
        verdict.resolve(failed(batch, error))
      }
    }
  }
  const start = (node: number, lineup: Lineup) => {
    while (lineup.requests < MAX_REQUESTS && lineup.waiting.length > 0) {
      const { round, rest } = nextRound(lineup.waiting)
      lineup.waiting = rest
      lineup.requests += 1
      void produce(node, round).finally(() => {
        lineup.requests -= 1
        start(node, lineup)
      })
    }
  }
  return async (batch) => {
    const verdict = Promise.withResolvers<Verdict>()
    try {
      const node = await cluster.leader(batch.topic, batch.partition)
      const lineup = lineupOf(node)
      lineup.waiting.push({ batch, verdict })
      if (!lineup.isDue) {
        lineup.isDue = true
        // What others have to send now goes along.
        setImmediate(() => {
          lineup.isDue = false
          start(node, lineup)
        })
      }
    } catch (error) {
      cluster.forget(batch.topic)
      return failed(batch, error)
    }
    return verdict.promise
  }
}

/** The first batch of each partition, as many as one request takes; the others keep their order. */
function nextRound(waiting: readonly Sending[]): { readonly round: Sending[]; readonly rest: Sending[] } {
  const round: Sending[] = []
  const rest: Sending[] = []
  const partitions = new Set<string>()
  let bytes = 0
  for (const sending of waiting) {
    const name = partitionName(sending.batch)
    const isNext = !partitions.has(name) && (round.length === 0 || bytes < REQUEST_BYTES)
    partitions.add(name)
    if (isNext) {
      round.push(sending)
      bytes += bytesOf(sending.batch.pieces)
    } else rest.push(sending)
  }
  return { round, rest }
}

const unanswered = ({ topic, partition }: ProduceBatch): ProduceAnswer => ({
  topic,
  partition,
  code: UNKNOWN_SERVER_ERROR,
  baseOffset: -1,
  rows: [],
  message: 'the broker did not say what became of it',
})

function failed(batch: ProduceBatch, error: unknown): Verdict {
  const wrapped = wrapError(error, 'INTERNAL', `a batch for ${partitionName(batch)}`)
  // A topic that was just made is not known to every broker yet.
  const isPassing = wrapped.retryable || isMillpondError(wrapped, 'TOPIC_UNKNOWN')
  return { kind: isPassing ? 'passing' : 'fatal', error: wrapped }
}

function verdictOf({ code, baseOffset, rows, message }: ProduceAnswer, place: string): Verdict {
  const name = code === 0 ? 'NONE' : kafkaErrorName(code)
  // The broker has it from an earlier attempt whose answer was lost.
  if (code === 0 || name === 'DUPLICATE_SEQUENCE_NUMBER') return { kind: 'done', baseOffset }
  const reason = message === null ? name : `${name}: ${message}`
  if (TOO_LARGE.has(name)) return { kind: 'too-large', reason }
  if (OF_ROWS.has(name)) return { kind: 'rows', rows, reason }
  const error = kafkaError(code, { what: `a batch for ${place}` }, message)
  if (OUT_OF_ORDER.has(name)) {
    return { kind: 'order', error: new MillpondError('DELIVERY_FAILED', error.message, { cause: error, details: error.details }) }
  }
  return { kind: error.retryable ? 'passing' : 'fatal', error }
}
