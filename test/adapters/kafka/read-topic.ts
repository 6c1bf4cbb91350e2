import type { Message } from '../../../src/batch/view.ts'
import { messagesOf } from '../../../src/batch/view.ts'
import type { Cluster } from '../../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../../src/adapters/kafka/offsets.ts'
import { readPartitionBatches } from '../../../src/adapters/kafka/partition-reader.ts'
import { readRecordBatches } from '../../../src/encode/record-set.ts'

/** What readers of committed messages see of the topic now, partition by partition; positions are offsets. */
export async function readTopic(cluster: Cluster, topic: string): Promise<Message[][]> {
  const { partitions } = (await cluster.metadata([topic])).topics.get(topic)!
  const places = partitions.map(({ partition }) => ({ topic, partition }))
  const ends = await partitionOffsets(cluster, places, 'stable-end')
  return Promise.all(
    places.map(async (place) => {
      const messages: Message[] = []
      const range = { from: 0, to: ends.get(partitionName(place))! }
      for await (const { set, info, kind } of readPartitionBatches(cluster, place, range)) {
        if (kind === 'messages') messages.push(...messagesOf(await readRecordBatches(set, [info], 0)))
      }
      return messages
    }),
  )
}

/** The values of messages, as text. */
export const valuesOf = (messages: readonly Message[]): string[] =>
  messages.map(({ value }) => (value === null ? 'null' : Buffer.from(value).toString()))
