import { createMessageReader } from '../values/protobuf/plain.ts'
import type { ProtobufMessage } from '../values/protobuf/message.ts'
import { messageShape } from '../values/protobuf/shape.ts'
import { ProtobufCursor } from '../values/protobuf/wire.ts'
import type { MessageBatch } from '../batch/batch.ts'
import { rootWriter } from './parquet-plain.ts'
import type { ColumnTarget } from './parquet-plan.ts'
import type { ValueWriter } from './parquet-value-writer.ts'

/** What writes values that are such messages. @throws MillpondError `SCHEMA_INVALID` where columns cannot hold them. */
export function protobufWriter(message: ProtobufMessage, target: ColumnTarget): ValueWriter {
  const root = rootWriter(messageShape(message), target)
  const [readMessage, cursor] = [createMessageReader(message), new ProtobufCursor()]
  const read = ({ bytes, valueEnd }: MessageBatch, row: number, start: number) => {
    cursor.open(bytes, start, valueEnd[row]!)
    return readMessage(cursor)
  }
  return {
    schema: root.schema,
    begin: () => undefined,
    check: (batch, row, start) => void read(batch, row, start),
    write: (batch, row, start) => root.write(read(batch, row, start)),
  }
}
