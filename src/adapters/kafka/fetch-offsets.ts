import { setTimeout as wait } from 'node:timers/promises'
import { isMillpondError } from '../../errors.ts'
import type { LaneId } from '../../source/lane.ts'
import type { Cluster } from './cluster.ts'
import { pauseAfter } from './waiting.ts'
import { askPartitionOffsets, type OffsetKind, partitionName, type TopicPartition } from './offsets.ts'

/** Offsets of lanes. What many ask at a time goes to the brokers in one request each. */
export interface PartitionOffsets {
  /** Undefined where the lane's topic is not there, or is another one by now. */
  of(lane: LaneId, kind: OffsetKind): Promise<number | undefined>
}

const RETRY_TIMEOUT_MS = 30_000

interface Question {
  readonly place: TopicPartition
  readonly answer: PromiseWithResolvers<number | undefined>
}

export function createPartitionOffsets(cluster: Cluster): PartitionOffsets {
  const open = new Map<string, Question[]>()

  const ask = async (kind: OffsetKind, questions: readonly Question[]) => {
    const byName = new Map<string, Question[]>()
    for (const question of questions) {
      const name = partitionName(question.place)
      const others = byName.get(name)
      if (others === undefined) byName.set(name, [question])
      else others.push(question)
    }
    const endMs = performance.now() + RETRY_TIMEOUT_MS
    for (let failures = 1; byName.size > 0; failures++) {
      const places = [...byName.values()].map(([question]) => question!.place)
      const { found, failed } = await askPartitionOffsets(cluster, places, kind)
      for (const [name, offset] of found) {
        for (const { answer } of byName.get(name) ?? []) answer.resolve(offset)
        byName.delete(name)
      }
      for (const { place, error } of failed) {
        if (isMillpondError(error) && error.retryable && performance.now() < endMs) {
          // The leader may have changed.
          cluster.forget(place.topic)
          continue
        }
        for (const { answer } of byName.get(partitionName(place)) ?? []) {
          if (isMillpondError(error, 'TOPIC_UNKNOWN')) answer.resolve(undefined)
          else answer.reject(error)
        }
        byName.delete(partitionName(place))
      }
      if (byName.size > 0) await wait(pauseAfter(failures))
    }
  }
  const knows = async (lane: LaneId): Promise<boolean> => {
    for (const isLast of [false, true]) {
      try {
        const topic = await cluster.topic(lane.topic)
        if (topic.topicId === lane.topicId && topic.partitions[Number(lane.lane)] !== undefined) return true
      } catch (error) {
        if (!isMillpondError(error, 'TOPIC_UNKNOWN')) throw error
      }
      // What is known may be older than the lane.
      if (!isLast) cluster.forget(lane.topic)
    }
    return false
  }
  return {
    async of(lane, kind) {
      const isThere = await knows(lane)
      if (!isThere) return undefined
      const name = JSON.stringify(kind)
      const place = { topic: lane.topic, partition: Number(lane.lane) }
      const answer = Promise.withResolvers<number | undefined>()
      const asked = open.get(name)
      if (asked === undefined) {
        const questions = [{ place, answer }]
        open.set(name, questions)
        setImmediate(() => {
          open.delete(name)
          void ask(kind, questions)
        })
      } else asked.push({ place, answer })
      return answer.promise
    },
  }
}
