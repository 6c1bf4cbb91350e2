import { selectRows } from '../../batch/batch.ts'
import { findUnencodable } from '../../encode/avro-block.ts'
import { isMillpondError } from '../../errors.ts'
import { deliveryBroken } from '../../sink/partial.ts'
import type { FailedMessage, Sink, SinkTarget } from '../../sink/sink.ts'
import type { Producer } from './appender.ts'
import type { LocalLog } from './log.ts'

/**
 * A sink into topics of the local log, exactly once: how far a job got is stored in one transaction with its messages. Keys,
 * values, headers, timestamps and ids stay, positions are new. Closing it does not close the log.
 */
export function createLocalSink(log: LocalLog): Sink {
  return {
    name: `local log ${log.path}`,
    async write(target, batch, signal) {
      signal.throwIfAborted()
      if (batch.count === 0) return { delivered: 0, failed: [] }
      const faults = findUnencodable(batch)
      const failed = faults.map(({ row, reason }): FailedMessage => ({ position: batch.positions[row]!, reason }))
      const bad = new Set(faults.map(({ row }) => row))
      const rows = Int32Array.from({ length: batch.count }, (_, row) => row).filter((row) => !bad.has(row))
      const good = bad.size === 0 ? batch : selectRows(batch, rows)
      const firstOriginPosition = batch.positions[0]!
      const nextOriginPosition = batch.positions[batch.count - 1]! + 1
      const producer: Producer | undefined =
        target.job === undefined
          ? undefined
          : { job: target.job, origin: originOf(target), firstOriginPosition, nextOriginPosition }
      try {
        await log.append(target.topic, good, producer === undefined ? {} : { producer })
      } catch (error) {
        if (!isMillpondError(error) || !error.retryable) throw error
        const partial = { nextPosition: firstOriginPosition, delivered: 0, failed: [] }
        throw deliveryBroken(error.message, partial, error)
      }
      return { delivered: good.count, failed }
    },
    async resumePosition(target) {
      const topic = log.parts.reader.topic(target.topic)
      if (topic === undefined || target.job === undefined) return undefined
      return log.parts.reader.producerPosition(target.job, originOf(target), topic.topicKey)
    },
    async [Symbol.asyncDispose]() {},
  }
}

const originOf = ({ origin: { topic, topicId, lane }, share }: SinkTarget): string =>
  JSON.stringify([topic, topicId ?? null, lane, ...(share === undefined ? [] : [share])])
