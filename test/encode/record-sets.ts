import type { MessageBatch } from '../../src/batch/batch.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import type { RecordSet } from '../../src/encode/block.ts'
import { crc32c } from '../../src/kernel/checksum.ts'
import { writeRecordBatch } from '../../src/encode/record-batch.ts'
import type { RecordCodec } from '../../src/encode/record-header.ts'
import { scanRecordSet } from '../../src/encode/record-set.ts'

/** Messages that travel as one record batch. */
export interface BatchContent {
  readonly batch: MessageBatch
  readonly codec?: RecordCodec
  /** Where the batch begins and ends, if not with its messages: compaction removes records from batches. */
  readonly baseOffset?: number
  readonly lastOffset?: number
  /** A batch whose CRC is right and whose records are not. */
  readonly isDamaged?: boolean
  /** A batch that no reader is to see, such as an aborted one. */
  readonly isHidden?: boolean
}

/** A record set as a broker gives it; hidden batches are in its bytes only. */
export async function recordSetOf(contents: readonly BatchContent[]): Promise<RecordSet> {
  const written = contents.map(async ({ batch, codec = 'none', baseOffset, lastOffset, isDamaged }) => {
    const bytes = await writeRecordBatch(batch, 0, batch.count, {
      codec,
      keepOffsets: true,
      producer: { id: 7n, epoch: 1, baseSequence: 10 },
      ...(baseOffset === undefined ? {} : { baseOffset }),
    })
    if (lastOffset !== undefined) setLastOffset(bytes, lastOffset)
    if (isDamaged === true) damage(bytes)
    return bytes
  })
  const bytes = Buffer.concat(await Promise.all(written))
  const { batches } = scanRecordSet(bytes)
  return { bytes, batches: batches.filter((_, i) => contents[i]!.isHidden !== true) }
}

/** Source of the places: Apache Kafka 4.3, `DefaultRecordBatch`. */
function setLastOffset(bytes: Uint8Array, lastOffset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  view.setInt32(23, lastOffset - Number(view.getBigInt64(0)))
  view.setUint32(17, crc32c(bytes.subarray(21)))
}

function damage(bytes: Uint8Array): void {
  bytes.fill(0xff, 61 + (bytes.byteLength - 61) / 2)
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(17, crc32c(bytes.subarray(21)))
}

/** The message as Kafka keeps it. */
export const withoutId = <T extends MessageInput>(message: T): T => ({ ...message, id: null })
