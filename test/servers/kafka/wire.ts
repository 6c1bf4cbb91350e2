import { connect } from 'node:net'
import { setTimeout as after } from 'node:timers/promises'

// As much of Kafka's protocol as starting a broker takes, so that this depends on no client that is under test. Versions: the newest
// whose fields have no tags. Source: Kafka protocol guide, read 2026-11.
const ANSWER_LIMIT_MS = 5_000
const LEADER_LIMIT_MS = 30_000
const LEADER_EVERY_MS = 20
const METADATA = { key: 3, version: 4 }
const API_VERSIONS = { key: 18, version: 0 }
const CREATE_TOPICS = { key: 19, version: 4 }

/** A topic to be made; counts of -1 are the broker's own. */
export interface NewTopic {
  readonly topic: string
  readonly partitions: number
  readonly replicationFactor: number
  /** The nodes of each partition; counts must be -1 then. */
  readonly replicas: readonly (readonly number[])[]
  readonly config: Readonly<Record<string, string>>
}

/** Whether a broker answers its clients and counts itself among the brokers at work, over a plaintext listener. */
export async function brokerServes(address: string, nodeId: number): Promise<boolean> {
  const versions = await ask(address, API_VERSIONS, Buffer.alloc(0))
  if (versions.readInt16BE(0) !== 0) return false
  return (await metadataOf(address, [])).nodeIds.includes(nodeId)
}

/** Makes a topic and waits until each of the brokers knows the leaders of its partitions. */
export async function createTopic(addresses: readonly string[], topic: NewTopic): Promise<void> {
  const body = Buffer.concat([
    int32(1),
    text(topic.topic),
    int32(topic.partitions),
    int16(topic.replicationFactor),
    array(topic.replicas.map((nodeIds, partition) => Buffer.concat([int32(partition), array(nodeIds.map(int32))]))),
    array(Object.entries(topic.config).map(([name, value]) => Buffer.concat([text(name), text(value)]))),
    int32(ANSWER_LIMIT_MS),
    Buffer.from([0]),
  ])
  const answer = createReader(await ask(addresses[0]!, CREATE_TOPICS, body))
  answer.int32()
  const failure = answer
    .array(() => ({ topic: answer.text(), code: answer.int16(), message: answer.text() }))
    .find(({ code }) => code !== 0)
  if (failure) throw new Error(`topic ${topic.topic} was not made: error ${failure.code} ${failure.message ?? ''}`)
  const deadline = performance.now() + LEADER_LIMIT_MS
  for (const address of addresses) {
    while (!(await metadataOf(address, [topic.topic])).hasLeaders) {
      if (performance.now() > deadline) throw new Error(`topic ${topic.topic} has no leaders after ${LEADER_LIMIT_MS} ms`)
      await after(LEADER_EVERY_MS)
    }
  }
}

async function metadataOf(address: string, topics: readonly string[]) {
  const body = createReader(await ask(address, METADATA, Buffer.concat([array(topics.map(text)), Buffer.from([0])])))
  body.int32()
  const nodeIds = body.array(() => {
    const nodeId = body.int32()
    body.text()
    body.int32()
    body.text()
    return nodeId
  })
  body.text()
  body.int32()
  const known = body.array(() => {
    const code = body.int16()
    body.text()
    body.boolean()
    const partitions = body.array(() => {
      const code = body.int16()
      body.int32()
      const leader = body.int32()
      body.array(body.int32)
      body.array(body.int32)
      return code === 0 && leader >= 0
    })
    return code === 0 && partitions.length > 0 && partitions.every(Boolean)
  })
  return { nodeIds, hasLeaders: known.every(Boolean) }
}

/** Sends one request over a connection of its own and gives the body of the answer. */
async function ask(address: string, { key, version }: { key: number; version: number }, body: Buffer): Promise<Buffer> {
  const [host = '', port] = address.split(':')
  const socket = connect(Number(port), host)
  try {
    return await new Promise((answered, failed) => {
      let received: Buffer = Buffer.alloc(0)
      socket.setTimeout(ANSWER_LIMIT_MS, () => failed(new Error(`${address}: no answer in ${ANSWER_LIMIT_MS} ms`)))
      socket.on('error', failed)
      socket.on('close', () => failed(new Error(`${address}: the broker closed the connection`)))
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (received.length >= 8 && received.length >= 4 + received.readInt32BE(0)) answered(received.subarray(8))
      })
      const request = Buffer.concat([int16(key), int16(version), int32(0), text('millpond-servers'), body])
      socket.write(Buffer.concat([int32(request.length), request]))
    })
  } finally {
    socket.destroy()
  }
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

const text = (value: string): Buffer => Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)])
const array = (items: readonly Buffer[]): Buffer => Buffer.concat([int32(items.length), ...items])

function createReader(bytes: Buffer) {
  let at = 0
  const skip = (count: number): number => (at += count) - count
  const int16 = () => bytes.readInt16BE(skip(2))
  const int32 = () => bytes.readInt32BE(skip(4))
  return {
    int16,
    int32,
    boolean: () => bytes[skip(1)] === 1,
    text: () => {
      const length = int16()
      return length < 0 ? undefined : bytes.toString('utf8', skip(length), at)
    },
    array: <T>(item: () => T): T[] => Array.from({ length: int32() }, item),
  }
}
