import { afterAll, beforeAll, describe } from 'vitest'
import { sourceContract } from '../../contract/source.ts'
import { GET_LIMIT_MS } from '../../servers/cache.ts'
import { type Kafka, startKafka } from '../../servers/kafka.ts'
import { serverMissing } from '../../servers/missing.ts'
import { openKafkaFixture } from './source-fixtures.ts'

describe.skipIf(serverMissing('kafka') !== undefined)('the Kafka source', () => {
  let kafka: Kafka
  beforeAll(async () => {
    kafka = await startKafka()
  }, GET_LIMIT_MS)
  afterAll(() => kafka.stop())

  sourceContract('Kafka, classic group', () => openKafkaFixture(kafka, { groupProtocol: 'classic' }))
  sourceContract('Kafka, consumer group', () => openKafkaFixture(kafka, { groupProtocol: 'consumer' }))
})
