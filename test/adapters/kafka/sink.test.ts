import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Cluster, openCluster } from '../../../src/adapters/kafka/cluster.ts'
import { openKafkaSink } from '../../../src/adapters/kafka/sink.ts'
import { serverMissing } from '../../servers/missing.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { sinkContract } from '../../contract/sink.ts'
import { readTopic } from './read-topic.ts'

let kafka: Kafka
let cluster: Cluster

describe.skipIf(serverMissing('kafka') !== undefined)('kafka sink', () => {
  beforeAll(async () => {
    kafka = await startKafka({ partitions: 4 })
    cluster = await openCluster({ brokers: [kafka.bootstrap] })
  }, GET_LIMIT_MS)
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    await kafka.stop()
  })

  // Each fixture writes to topics of its own, whatever the contract calls them.
  const fixture = (exactlyOnce: boolean) => async () => {
    const suffix = randomBytes(4).toString('hex')
    const sink = await openKafkaSink({ brokers: [kafka.bootstrap], exactlyOnce, createTopics: { partitions: () => 4 } })
    const renamed = <T extends { readonly topic: string }>(target: T): T => ({ ...target, topic: `${target.topic}-${suffix}` })
    return {
      sink: {
        ...sink,
        write: (target, batch, signal) => sink.write(renamed(target), batch, signal),
        ...(sink.resumePosition === undefined ? {} : { resumePosition: (target) => sink.resumePosition!(renamed(target)) }),
      } satisfies typeof sink as typeof sink,
      keepsIds: false,
      read: (topic: string) => readTopic(cluster, `${topic}-${suffix}`),
      [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
    }
  }
  sinkContract('kafka, exactly once', fixture(true))
  sinkContract('kafka, without transactions', fixture(false))
  it('x', () => expect(1).toBe(1))
})
