import type * as Kafka from '@platformatic/kafka'
import { protocol } from './protocol.ts'

/** One record batch for one partition, in pieces. */
export interface ProduceBatch {
  readonly topic: string
  readonly partition: number
  readonly pieces: readonly Uint8Array[]
}

/** Batches for partitions that one broker leads, of each one at the most. */
export interface ProduceRequest {
  readonly batches: readonly ProduceBatch[]
  readonly transactionalId: string | null
  readonly timeoutMs: number
}

/** What became of a batch. */
export interface ProduceAnswer {
  readonly topic: string
  readonly partition: number
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
 * The Produce request, acknowledged by all replicas. The library's own one builds batches from objects, and throws where a partition has an
 * error, which loses what the broker says of single records.
 */
export function createProduceApi(): Kafka.API<[ProduceRequest], readonly ProduceAnswer[]> {
  const create = ({ batches, transactionalId, timeoutMs }: ProduceRequest) => {
    const writer = protocol.Writer.create().appendString(transactionalId).appendInt16(ALL_REPLICAS).appendInt32(timeoutMs)
    return writer
      .appendArray([...Map.groupBy(batches, ({ topic }) => topic)], (outer, [topic, ofTopic]) =>
        outer.appendString(topic).appendArray(ofTopic, appendBatch),
      )
      .appendTaggedFields()
  }
  const parse = (_correlationId: number, _apiKey: number, _apiVersion: number, reader: Kafka.Reader) => {
    const answers = reader.readArray((outer) => {
      const topic = outer.readString()
      return outer.readArray((inner) => readPartition(topic, inner))
    })
    reader.readInt32()
    reader.readTaggedFields()
    return answers.flat()
  }
  return protocol.createAPI(API_KEY, VERSION, create, parse)
}

/** Length of what lies in pieces. */
export const bytesOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, { byteLength }) => sum + byteLength, 0)

function appendBatch(writer: Kafka.Writer, { partition, pieces }: ProduceBatch): void {
  writer.appendInt32(partition).appendUnsignedVarInt(bytesOf(pieces) + 1)
  for (const { buffer, byteOffset, byteLength } of pieces) writer.append(Buffer.from(buffer, byteOffset, byteLength))
}

function readPartition(topic: string, reader: Kafka.Reader): ProduceAnswer {
  const partition = reader.readInt32()
  const code = reader.readInt16()
  const baseOffset = Number(reader.readInt64())
  reader.readInt64()
  reader.readInt64()
  const rows = reader.readArray((error) => ({ row: error.readInt32(), reason: error.readNullableString() }))
  return { topic, partition, code, baseOffset, rows, message: reader.readNullableString() }
}
