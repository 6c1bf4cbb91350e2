import type * as Kafka from '@platformatic/kafka'
import type { Protocol } from './protocol.ts'

/** One record batch for one partition. */
export interface ProduceRequest {
  readonly topic: string
  readonly partition: number
  readonly batch: Uint8Array
  readonly transactionalId: string | null
  readonly timeoutMs: number
}

/** What became of it. */
export interface ProduceAnswer {
  /** Kafka's error code, 0 for none. */
  readonly code: number
  /** Offset of the batch's first record; -1 where it is not known. */
  readonly baseOffset: number
  /** Rows of the batch that are at fault, where the broker names them. */
  readonly rows: readonly { readonly row: number; readonly reason: string | null }[]
  readonly message: string | null
}

/** Kafka 2.4 and later. */
const VERSION = 9
const API_KEY = 0
const ALL_REPLICAS = -1

/**
 * The Produce request of one batch, acknowledged by all replicas. The library's own one builds batches from objects, and throws where
 * a partition has an error, which loses what the broker says of single records.
 */
export function createProduceApi(kafka: Protocol): Kafka.API<[ProduceRequest], ProduceAnswer> {
  const create = ({ topic, partition, batch, transactionalId, timeoutMs }: ProduceRequest) =>
    kafka.Writer.create()
      .appendString(transactionalId)
      .appendInt16(ALL_REPLICAS)
      .appendInt32(timeoutMs)
      .appendArray([topic], (writer) =>
        writer.appendString(topic).appendArray([partition], (inner) =>
          inner
            .appendInt32(partition)
            .appendUnsignedVarInt(batch.byteLength + 1)
            .append(Buffer.from(batch.buffer, batch.byteOffset, batch.byteLength)),
        ),
      )
      .appendTaggedFields()
  const parse = (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Kafka.Reader): ProduceAnswer => {
    const answers = reader.readArray((topic) => {
      topic.readString()
      return topic.readArray(readPartition)
    })
    reader.readInt32()
    reader.readTaggedFields()
    const answer = answers[0]?.[0]
    if (answer === undefined) throw new kafka.ResponseError(API_KEY, VERSION, { '/': [-1, null] }, answers)
    return answer
  }
  return kafka.createAPI(API_KEY, VERSION, create, parse)
}

function readPartition(reader: Kafka.Reader): ProduceAnswer {
  reader.readInt32()
  const code = reader.readInt16()
  const baseOffset = Number(reader.readInt64())
  reader.readInt64()
  reader.readInt64()
  const rows = reader.readArray((error) => ({ row: error.readInt32(), reason: error.readNullableString() }))
  return { code, baseOffset, rows, message: reader.readNullableString() }
}
