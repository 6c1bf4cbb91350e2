import { type MessageBatch, selectRows } from '../../batch/batch.ts'
import { isMillpondError } from '../../errors.ts'
import type { Inlet, InletAppendOptions, InletTopic, Taken } from '../../sink/inlet.ts'
import type { LocalLog } from './log.ts'
import { topicUnknown } from './reader.ts'
import type { Topic } from './topic.ts'

/** The log has no brokers; as Kafka's clients see it, it is one. */
const BROKER = 0

/** The local log as the way in. Closing it does not close the log. */
export function createLocalInlet(log: LocalLog): Inlet {
  const topicOf = (name: string): Topic => {
    const topic = log.parts.reader.topic(name)
    if (topic !== undefined) return topic
    throw topicUnknown(name)
  }
  return {
    name: log.path,
    async append(topic, batch, options = {}) {
      const { partial, ...others } = options
      try {
        return await log.append(topic, batch, others)
      } catch (error) {
        if (partial !== true || options.laneOf === undefined || !isMillpondError(error, 'LANE_UNKNOWN')) throw error
        // By now the topic is there, and does not change.
        return appendPart(log, topicOf(topic), batch, { ...others, laneOf: options.laneOf })
      }
    },
    async topics() {
      return (await log.topics()).map(({ name }) => name).sort()
    },
    async topic(name) {
      return inletTopic(topicOf(name))
    },
    range: (topic, lane) => log.range(topic, String(lane)),
    async brokers() {
      return [BROKER]
    },
    async [Symbol.asyncDispose]() {},
  }
}

/** Appends the messages that are to go to lanes that there are. */
async function appendPart(
  log: LocalLog,
  { name, partitions }: Topic,
  batch: MessageBatch,
  { laneOf, ...options }: InletAppendOptions & { readonly laneOf: Int32Array },
): Promise<Taken> {
  const all = Int32Array.from({ length: batch.count }, (_, row) => row)
  const good = all.filter((row) => laneOf[row]! < partitions)
  const failed = [...all]
    .filter((row) => laneOf[row]! >= partitions)
    .map((row) => ({ row, reason: `topic ${name} has no lane ${laneOf[row]}`, isLaneUnknown: true }))
  if (good.length === 0) return { lanes: [], ...(options.rowPositions === true ? { rows: noRows(batch.count) } : {}), failed }
  const lanes = good.map((row) => laneOf[row]!)
  const taken = await log.append(name, selectRows(batch, good), { ...options, laneOf: lanes })
  if (taken.rows === undefined) return { ...taken, failed }
  const rows = noRows(batch.count)
  for (const [i, row] of good.entries()) {
    rows.laneIndex[row] = taken.rows.laneIndex[i]!
    rows.positions[row] = taken.rows.positions[i]!
  }
  return { lanes: taken.lanes, rows, failed }
}

const noRows = (count: number) => ({
  laneIndex: new Int32Array(count).fill(-1),
  positions: new Float64Array(count).fill(-1),
})

const inletTopic = ({ name, partitions, retentionMs, retentionBytes }: Topic): InletTopic => ({
  name,
  settings: { 'retention.bytes': String(retentionBytes ?? -1), 'retention.ms': String(retentionMs ?? -1) },
  lanes: Array.from({ length: partitions }, (_, lane) => ({
    lane,
    leader: BROKER,
    replicas: [{ broker: BROKER, inSync: true }],
  })),
})
