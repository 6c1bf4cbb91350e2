import type { MessageBatch } from '../../src/batch/batch.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { RecordSet } from '../../src/encode/block.ts'
import { type RecordCodec, scanRecordSet, writeRecordBatch } from '../../src/encode/record-set.ts'

/** Messages that travel as one record batch. */
export interface BatchContent {
  readonly batch: MessageBatch
  readonly codec?: RecordCodec
  /** Where the batch begins, if not with its first message: compaction removes records from batches. */
  readonly baseOffset?: number
  /** A batch that no reader is to see, such as an aborted one. */
  readonly isHidden?: boolean
}

/** A record set as a broker gives it; hidden batches are in its bytes only. */
export async function recordSetOf(contents: readonly BatchContent[]): Promise<RecordSet> {
  const written = contents.map(({ batch, codec = 'none', baseOffset }) =>
    writeRecordBatch(batch, 0, batch.count, {
      codec,
      keepOffsets: true,
      producer: { id: 7n, epoch: 1, baseSequence: 10 },
      ...(baseOffset === undefined ? {} : { baseOffset }),
    }),
  )
  const bytes = Buffer.concat(await Promise.all(written))
  const { batches } = scanRecordSet(bytes)
  return { bytes, batches: batches.filter((_, i) => contents[i]!.isHidden !== true) }
}

/** The message as Kafka keeps it. */
export const withoutId = <T extends MessageInput>(message: T): T => ({ ...message, id: null })
