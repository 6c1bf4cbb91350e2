import { openKafkaSink } from '../../src/adapters/kafka/sink.ts'
import { createMessageGenerator } from '../../src/cli/bench/messages.ts'

const BATCH_COUNT = 5000
const UNDER_WAY = 8

/** Writes generated messages into a topic as lz4 batches: so many, spread evenly over its partitions. */
export async function fillTopic(
  bootstrap: string,
  { topic, partitions, messages }: { readonly topic: string; readonly partitions: number; readonly messages: number },
): Promise<void> {
  const generator = createMessageGenerator({ ids: false, messagesPerMs: 0.03 })
  await using sink = await openKafkaSink({ brokers: bootstrap.split(','), codec: 'lz4', batchBytes: 64 * 1024 })
  const writing = new Set<Promise<unknown>>()
  const never = new AbortController().signal
  for (let first = 0, turn = 0; first < messages; first += BATCH_COUNT, turn++) {
    const batch = generator.batch(first, Math.min(BATCH_COUNT, messages - first))
    const write: Promise<unknown> = sink
      .write({ topic, origin: { topic, lane: String(turn % partitions) } }, batch, never)
      .finally(() => writing.delete(write))
    writing.add(write)
    if (writing.size >= UNDER_WAY) await Promise.race(writing)
  }
  await Promise.all(writing)
}
