import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Kafka, logLevel, type KafkaMessage, type Message } from 'kafkajs'

const FIRST_MS = Date.parse('2021-09-20T00:00:00Z')
const EVERY_MS = 10_000
const DEADLINE_MS = 120_000

const kafkaAt = (bootstrap: string): Kafka =>
  new Kafka({ clientId: 'quickstart', brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })

const order = (number: number): Message => ({
  key: `customer-${number % 500}`,
  value: JSON.stringify({ order: number, amount: (number % 97) + 1 }),
  timestamp: String(FIRST_MS + number * EVERY_MS),
  headers: { number: String(number), business_source_key: 'shop', business_object_key: `order-${number}` },
})

/** Puts so many orders of some days in September 2021 into the topic. */
export async function sendOrders(bootstrap: string, topic: string, count: number): Promise<void> {
  const producer = kafkaAt(bootstrap).producer()
  await producer.connect()
  for (let from = 0; from < count; from += 1000) {
    const messages = Array.from({ length: Math.min(1000, count - from) }, (_, i) => order(from + i))
    await producer.send({ topic, messages })
  }
  await producer.disconnect()
}

/** The messages of a topic by partition, read by a client that is not Millpond's; waits until there are as many as `count`. */
async function readTopic(bootstrap: string, topic: string, count: number): Promise<KafkaMessage[][]> {
  const consumer = kafkaAt(bootstrap).consumer({ groupId: `check-${topic}-${randomUUID()}`, readUncommitted: false })
  const partitions: KafkaMessage[][] = []
  let read = 0
  let crash: Error | undefined
  consumer.on(consumer.events.CRASH, ({ payload }) => (crash = payload.error))
  await consumer.connect()
  try {
    await consumer.subscribe({ topic, fromBeginning: true })
    await consumer.run({
      eachMessage: ({ partition, message }) => {
        ;(partitions[partition] ??= []).push(message)
        read++
        return Promise.resolve()
      },
    })
    for (const endMs = performance.now() + DEADLINE_MS; read < count; await sleep(100)) {
      if (crash !== undefined) throw crash
      if (performance.now() > endMs) throw new Error(`${topic} holds ${read} of ${count} messages`)
    }
    // What comes twice would come behind.
    await sleep(1000)
    return partitions
  } finally {
    await consumer.disconnect()
  }
}

const textOf = ({ key, value, headers, timestamp }: KafkaMessage): string =>
  JSON.stringify([
    key?.toString(),
    value?.toString(),
    timestamp,
    Object.entries(headers ?? {}).map(([name, one]) => [name, String(one)]),
  ])

/** @throws Error where the second topic does not hold what the first does: each message once, in the order of its partition. */
export async function compareTopics(
  bootstrap: string,
  { from, to, count }: { readonly from: string; readonly to: string; readonly count: number },
): Promise<void> {
  const [origin, copy] = [await readTopic(bootstrap, from, count), await readTopic(bootstrap, to, count)]
  for (const [partition, messages] of origin.entries()) {
    const [wanted, got] = [messages.map(textOf), (copy[partition] ?? []).map(textOf)]
    if (wanted.length !== got.length)
      throw new Error(`partition ${partition} of ${to} has ${got.length} messages, not ${wanted.length}`)
    const at = wanted.findIndex((text, i) => text !== got[i])
    if (at !== -1) throw new Error(`message ${at} of partition ${partition} of ${to} is ${got[at]}, not ${wanted[at]}`)
  }
}
