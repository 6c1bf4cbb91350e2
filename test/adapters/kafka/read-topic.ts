import type { Message } from '../../../src/batch/view.ts'
import { messagesOf } from '../../../src/batch/view.ts'
import type { Cluster } from '../../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../../src/adapters/kafka/offsets.ts'
import { readPartitionBatches } from '../../../src/adapters/kafka/partition-reader.ts'
import { until } from '../../live/until.ts'
import { readRecordBatches } from '../../../src/encode/record-set.ts'

/** What readers of committed messages see of the topic now, partition by partition; positions are offsets. */
export async function readTopic(cluster: Cluster, topic: string): Promise<Message[][]> {
  const { partitions } = (await cluster.metadata([topic])).topics.get(topic)!
  const places = partitions.map(({ partition }) => ({ topic, partition }))
  // A transaction is committed a moment before all of its partitions say so.
  let ends = new Map<string, number>()
  const areEnded = async () => {
    ends = await partitionOffsets(cluster, places, 'stable-end')
    const all = await partitionOffsets(cluster, places, 'end')
    return places.every((place) => ends.get(partitionName(place)) === all.get(partitionName(place)))
  }
  await until(areEnded, `the transactions of ${topic} to end`)
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
