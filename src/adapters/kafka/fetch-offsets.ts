import { isMillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Cluster } from './cluster.ts'
import { type OffsetKind, partitionName, partitionOffsets } from './offsets.ts'

/** Offsets of lanes. What many ask at a time goes to the brokers in one request each. */
export interface PartitionOffsets {
  /** Undefined where the lane's topic is not there, or is another one by now. */
  of(lane: LaneId, kind: OffsetKind): Promise<number | undefined>
}

interface Question {
  readonly lane: LaneId
  readonly answer: PromiseWithResolvers<number | undefined>
}

export function createPartitionOffsets(cluster: Cluster): PartitionOffsets {
  const open = new Map<string, { readonly kind: OffsetKind; readonly questions: Question[] }>()

  const ask = async ({ kind, questions }: { readonly kind: OffsetKind; readonly questions: readonly Question[] }) => {
    const places = questions.map(({ lane }) => ({ topic: lane.topic, partition: Number(lane.lane) }))
    try {
      const found = await partitionOffsets(cluster, places, kind)
      for (const [i, { answer }] of questions.entries()) answer.resolve(found.get(partitionName(places[i]!)))
    } catch (error) {
      if (questions.length > 1) {
        // One that cannot be answered must not keep the others from it.
        await Promise.all(questions.map((question) => ask({ kind, questions: [question] })))
      } else if (isMillpondError(error, 'TOPIC_UNKNOWN')) questions[0]!.answer.resolve(undefined)
      else questions[0]!.answer.reject(error)
    }
  }
  return {
    async of(lane, kind) {
      const topic = await cluster.topic(lane.topic).catch((error: unknown) => {
        if (isMillpondError(error, 'TOPIC_UNKNOWN')) return undefined
        throw error
      })
      if (topic?.topicId !== lane.topicId || topic.partitions[Number(lane.lane)] === undefined) return undefined
      const name = JSON.stringify(kind)
      const answer = Promise.withResolvers<number | undefined>()
      const asked = open.get(name)
      if (asked === undefined) {
        const questions = [{ lane, answer }]
        open.set(name, { kind, questions })
        setImmediate(() => {
          open.delete(name)
          void ask({ kind, questions })
        })
      } else asked.questions.push({ lane, answer })
      return answer.promise
    },
  }
}
