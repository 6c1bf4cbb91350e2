import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify'
import type { MessageBatch } from '../../batch/batch.ts'
import { MillpondError } from '../../errors.ts'
import type { InletAppendOptions, InletLane, Taken, TopicDirectory } from '../../sink/inlet.ts'
import type { SchemaRegistry } from '../../values/schema-registry.ts'
import { callerOf, type Scope } from '../access.ts'
import { errorOfAll, REST, type RecordError, refuse, restError, restErrorJson, statusOfRecords } from './errors.ts'
import { answerType, ANSWER_TYPE, type EmbeddedFormat, embeddedFormat } from './media-types.ts'
import { encodeRecords, outcomesOf, producedJson, type RecordEncoding } from './records.ts'
import { parseProduceRequest, type ProduceRequest } from './request.ts'
import { createSchemaDesk } from './schemas.ts'

/** What the proxy's calls need of the program. */
export interface KafkaRestParts {
  readonly directory: TopicDirectory
  /** For keys and values with a schema; without it they are refused. */
  readonly registry: SchemaRegistry | undefined
  append(topic: string, batch: MessageBatch, options: InletAppendOptions): Promise<Taken>
  readonly nowMs: () => number
  readonly maxMessageBytes: number
  /** Told of messages that were taken, and of the body that brought them. */
  onTaken(topic: string, count: number, bodyBytes: number): void
  /** Says that nobody looks at a body any more. */
  release(body: Buffer): void
  /** Told of every error before it is answered. */
  onError(error: unknown, reply: FastifyReply): MillpondError
}

interface ProduceRoute {
  readonly Params: { readonly topic: string; readonly partition?: string }
  readonly Body: Buffer | undefined
}

interface TopicRoute {
  readonly Params: { readonly topic: string; readonly partition: string }
}

/** Who puts messages into a topic, or reads it, may know of it. */
const SEEING: readonly Scope[] = ['read', 'write']

/** Adds the calls of version 2 of the Kafka REST proxy that put messages into topics and tell topics. */
export function addKafkaRest(server: FastifyInstance, parts: KafkaRestParts): void {
  const errorHandler = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void =>
    void sendError(reply, parts.onError(error, reply), request.headers.accept)
  const options: RouteShorthandOptions = { onRequest: checkAccept, errorHandler }
  addTopics(server, parts.directory, options)
  addProduce(server, parts, { ...options, onRequest: checkProduce, config: { access: { scope: 'write', of: 'path' } } })
}

/** Whether a request at an address that there is not comes from a client of the proxy. */
export const isOfRestClient = ({ headers }: Pick<FastifyRequest, 'headers'>): boolean =>
  [headers.accept, headers['content-type']].some((type) => type?.includes('application/vnd.kafka.') === true)

/** Answers an error as the proxy does. */
export function sendError(reply: FastifyReply, error: MillpondError, accept: string | undefined): FastifyReply {
  const told = restError(error)
  return sendJson(reply.code(told.status), accept, restErrorJson(told))
}

/** Fastify would add a charset to text, which the proxy does not name. */
const sendJson = (reply: FastifyReply, accept: string | undefined, json: string): FastifyReply =>
  reply.header('content-type', answerType(accept) ?? ANSWER_TYPE).send(Buffer.from(json))

function checkAccept({ headers }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  if (answerType(headers.accept) !== undefined) return done()
  done(new MillpondError('NOT_ACCEPTABLE', `answers are ${ANSWER_TYPE}`))
}

function checkProduce(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  if (embeddedFormat(request.headers['content-type']) !== undefined) return checkAccept(request, reply, done)
  done(
    new MillpondError('MEDIA_TYPE_UNSUPPORTED', 'the content type is none of application/vnd.kafka.{binary,json,avro}.v2+json'),
  )
}

function addTopics(server: FastifyInstance, directory: TopicDirectory, options: RouteShorthandOptions): void {
  const answer = ({ headers }: FastifyRequest, reply: FastifyReply, value: unknown) =>
    sendJson(reply, headers.accept, JSON.stringify(value))
  const anyone = { ...options, config: { access: 'anyone' } } as const
  const ofTopic = { ...options, config: { access: { scope: SEEING, of: 'path' } } } as const
  server.get('/', anyone, (request, reply) => answer(request, reply, {}))
  server.post('/', anyone, (request, reply) => answer(request, reply, {}))
  server.get('/brokers', anyone, async (request, reply) => answer(request, reply, { brokers: await directory.brokers() }))
  server.get('/topics', anyone, async (request, reply) => {
    const caller = callerOf(request)
    const isSeen = (topic: string): boolean => SEEING.some((scope) => caller.may(scope, topic))
    return answer(request, reply, (await directory.topics()).filter(isSeen))
  })
  server.get<TopicRoute>('/topics/:topic', ofTopic, async (request, reply) => {
    const { name, settings, lanes } = await directory.topic(request.params.topic)
    return answer(request, reply, { name, configs: settings, partitions: lanes.map(toldLane) })
  })
  server.get<TopicRoute>('/topics/:topic/partitions', ofTopic, async (request, reply) => {
    const { lanes } = await directory.topic(request.params.topic)
    return answer(request, reply, lanes.map(toldLane))
  })
  server.get<TopicRoute>('/topics/:topic/partitions/:partition', ofTopic, async (request, reply) => {
    const { topic, partition } = request.params
    const found = (await directory.topic(topic)).lanes.find(({ lane }) => lane === partitionOf(partition))
    if (found === undefined) throw refuse(REST.partitionUnknown)
    return answer(request, reply, toldLane(found))
  })
  server.get<TopicRoute>('/topics/:topic/partitions/:partition/offsets', ofTopic, async (request, reply) => {
    const { topic, partition } = request.params
    const { oldest, next } = await directory.range(topic, partitionOf(partition))
    return answer(request, reply, { beginning_offset: oldest, end_offset: next })
  })
}

const toldLane = ({ lane, leader, replicas }: InletLane) => ({
  partition: lane,
  leader,
  replicas: replicas.map(({ broker, inSync }) => ({ broker, leader: broker === leader, in_sync: inSync })),
})

/** What is no number is no address of the proxy's. */
function partitionOf(text: string): number {
  if (/^\d{1,10}$/u.test(text) && Number(text) < 2 ** 31) return Number(text)
  throw new MillpondError('NOT_FOUND', 'a partition is called by a number')
}

function addProduce(server: FastifyInstance, parts: KafkaRestParts, options: RouteShorthandOptions): void {
  const schemas = createSchemaDesk(parts.registry)
  const produce = async (request: FastifyRequest<ProduceRoute>, reply: FastifyReply): Promise<FastifyReply> => {
    const body = request.body ?? Buffer.alloc(0)
    try {
      const { topic, partition } = request.params
      const order = parseProduceRequest(body)
      const format = embeddedFormat(request.headers['content-type'])!
      const encoding = {
        format,
        ...(await schemasOf(format, order, topic)),
        nowMs: parts.nowMs(),
        partition: partition === undefined ? -1 : partitionOf(partition),
        maxMessageBytes: parts.maxMessageBytes,
      }
      const { json, status, taken } = await put(parts, topic, { order, encoding, reply })
      parts.onTaken(topic, taken, body.byteLength)
      return await sendJson(reply.code(status), request.headers.accept, json)
    } finally {
      parts.release(body)
    }
  }
  const schemasOf = async (format: EmbeddedFormat, order: ProduceRequest, topic: string) => {
    if (format !== 'avro') return { keySchema: undefined, valueSchema: undefined }
    const signal = new AbortController().signal
    return {
      keySchema: await schemas.resolve(order.keySchema, `${topic}-key`, signal),
      valueSchema: await schemas.resolve(order.valueSchema, `${topic}-value`, signal),
    }
  }
  server.post<ProduceRoute>('/topics/:topic', options, produce)
  server.post<ProduceRoute>('/topics/:topic/partitions/:partition', options, produce)
}

interface Produce {
  readonly order: ProduceRequest
  readonly encoding: RecordEncoding
  readonly reply: FastifyReply
}

/** Puts the records into the topic and says what became of each. */
async function put(parts: KafkaRestParts, topic: string, { order, encoding, reply }: Produce) {
  const encoded = encodeRecords(order, encoding)
  const count = order.records.length
  try {
    const { batch, laneOf } = encoded
    const options = { rowPositions: true, partial: true, ...(laneOf === undefined ? {} : { laneOf }) }
    const taken: Taken = batch.count === 0 ? { lanes: [] } : await parts.append(topic, batch, options)
    const outcomes = outcomesOf(count, encoded, taken)
    const isNowhere = outcomes.failed.size === count && taken.failed?.every(({ isLaneUnknown }) => isLaneUnknown) === true
    if (encoding.partition >= 0 && isNowhere) throw refuse(REST.partitionUnknown)
    return {
      json: producedJson(outcomes, encoding),
      status: statusOfRecords(outcomes.failed.values()),
      taken: outcomes.places.size,
    }
  } catch (error) {
    const ofAll = errorOfAll(error)
    if (ofAll === undefined) throw error
    parts.onError(error, reply)
    const failed = new Map<number, RecordError>(
      Array.from({ length: count }, (_, record) => [record, encoded.failed.get(record) ?? ofAll]),
    )
    return {
      json: producedJson({ count, failed, places: new Map() }, encoding),
      status: statusOfRecords(failed.values()),
      taken: 0,
    }
  }
}
