import type { Ends } from '../source/broker.ts'
import type { LaneId } from '../source/lane.ts'
import type { SegmentIndex } from '../index/segment-index.ts'
import type { Metrics } from './metrics.ts'

/** How far behind the archive and the index of a topic are, in messages. */
export interface TopicLag {
  readonly topic: string
  readonly archive: number
  readonly index: number
}

/** Knows how far this process has archived, beside what the index says. */
export interface LagWatch {
  archived(lane: LaneId, nextPosition: number): void
  measure(): Promise<TopicLag[]>
}

const laneKey = (topic: string, topicId: string, lane: string): string => JSON.stringify([topic, topicId, lane])

/** A watch over the topics of the source. */
export function createLagWatch(source: Ends, index: SegmentIndex): LagWatch {
  const committed = new Map<string, number>()
  return {
    archived({ topic, topicId, lane }, nextPosition) {
      committed.set(laneKey(topic, topicId, lane), nextPosition)
    },
    async measure() {
      const indexed = new Map(
        (await index.lanes()).map((lane) => [laneKey(lane.topic, lane.topicId, lane.lane), lane.nextPosition]),
      )
      const lags: TopicLag[] = []
      for (const topic of await source.topics()) {
        const { name, topicId } = topic
        let archiveLag = 0
        let indexLag = 0
        for (const [lane, { oldest, next }] of (await source.ranges(topic)).entries()) {
          const key = laneKey(name, topicId, String(lane))
          const inIndex = indexed.get(key) ?? oldest
          const inArchive = Math.max(committed.get(key) ?? oldest, inIndex)
          archiveLag += Math.max(0, next - inArchive)
          indexLag += inArchive - inIndex
        }
        lags.push({ topic: name, archive: archiveLag, index: indexLag })
      }
      return lags
    },
  }
}

/** Measuring costs a question a lane, so it is not done more often than this. */
const MEASURE_MS = 5000

/** Brings the gauges of lag up to date, at most every five seconds. */
export function createLagObserver(watch: LagWatch, metrics: Pick<Metrics, 'archiveLag' | 'indexLag'>): () => Promise<void> {
  let nextMs = -Infinity
  return async () => {
    if (performance.now() < nextMs) return
    nextMs = performance.now() + MEASURE_MS
    const lags = await watch.measure()
    metrics.archiveLag.reset()
    metrics.indexLag.reset()
    for (const { topic, archive, index } of lags) {
      metrics.archiveLag.set({ topic }, archive)
      metrics.indexLag.set({ topic }, index)
    }
  }
}
