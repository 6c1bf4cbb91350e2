// `node check.ts <topic> <count>`: waits until so many user events of the topic lie in the bucket, shows its objects, and checks each of them: its
// name, that it holds 250 events of the day that its name says, and that every event that was sent is there once.
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3'
import avsc from 'avsc'
import { EVENTS_A_REQUEST, eventRequests, type UserEvent } from './events.ts'

const NAME = /^topics\/([^/]+)\/year=(\d{4})\/month=(\d{2})\/day=(\d{2})\/\1\+(\d+)\+(\d{10})\.avro$/u
const DEADLINE_MS = 60_000
const LOOK_AGAIN_MS = 250

const { env } = process
const bucket = env['BUCKET'] ?? 'prism-lts'
const client = new S3Client({
  region: env['AWS_REGION'] ?? 'us-east-1',
  forcePathStyle: true,
  ...(env['S3_ENDPOINT'] === undefined ? {} : { endpoint: env['S3_ENDPOINT'] }),
})

/** Where an object lies, as its name says it. */
interface Place {
  readonly key: string
  readonly day: string
  readonly partition: number
  readonly offset: number
}

function placeOf(key: string, topic: string): Place {
  const match = NAME.exec(key)
  if (match?.[1] !== topic) throw new Error(`${key} is no name of Kafka Connect's`)
  const [, , year, month, day, partition, offset] = match
  return { key, day: `${year}-${month}-${day}`, partition: Number(partition), offset: Number(offset) }
}

async function keysOf(topic: string): Promise<string[]> {
  const keys: string[] = []
  const pages = paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: `topics/${topic}/` })
  for await (const { Contents = [] } of pages) keys.push(...Contents.map(({ Key = '' }) => Key))
  return keys
}

/** The events of an object, read by a library that is not Millpond's. */
async function eventsOf(key: string): Promise<UserEvent[]> {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  const decoder = new avsc.streams.BlockDecoder()
  const events: UserEvent[] = []
  decoder.on('data', (event: UserEvent) => events.push(event))
  const ended = new Promise((resolve, reject) => decoder.once('end', resolve).once('error', reject))
  decoder.end(await Body!.transformToByteArray())
  await ended
  return events
}

async function allKeys(topic: string, objects: number): Promise<string[]> {
  for (const endMs = performance.now() + DEADLINE_MS; ; await sleep(LOOK_AGAIN_MS)) {
    const keys = await keysOf(topic)
    if (keys.length >= objects) return keys.sort()
    if (performance.now() > endMs) throw new Error(`after a minute ${keys.length} of ${objects} objects are in the bucket`)
  }
}

async function check(topic: string, count: number): Promise<void> {
  const places = (await allKeys(topic, count / EVENTS_A_REQUEST)).map((key) => placeOf(key, topic))
  const found: string[] = []
  for (const { key, day } of places) {
    const events = await eventsOf(key)
    if (events.length !== EVENTS_A_REQUEST) throw new Error(`${key} holds ${events.length} events`)
    const stray = events.find((event) => event.metric_date !== day)
    if (stray !== undefined) throw new Error(`${key} holds an event of ${stray.metric_date}`)
    found.push(...events.map((event) => event.event_id))
    process.stdout.write(`${key}  ${events.length} events\n`)
  }
  const sent = eventRequests(count)
    .flat()
    .map((event) => event.event_id)
  if (JSON.stringify(found.sort()) !== JSON.stringify(sent.sort())) throw new Error('not each event that was sent is there once')
  for (const [partition, ofPartition] of Map.groupBy(places, (place) => place.partition)) {
    const offsets = ofPartition.map(({ offset }) => offset).sort((a, b) => a - b)
    if (offsets.some((offset, i) => offset !== i * EVENTS_A_REQUEST)) {
      throw new Error(`objects of partition ${partition} begin at ${offsets.join(', ')}`)
    }
  }
  process.stdout.write(
    `all ${count} events of ${topic} are there once, in ${places.length} objects of ${EVENTS_A_REQUEST}, each below its day\n`,
  )
}

const [topic = '', count = ''] = process.argv.slice(2)
if (topic === '' || Number(count) < 1 || Number(count) % EVENTS_A_REQUEST !== 0) {
  throw new Error(`usage: node check.ts <topic> <count>, a multiple of ${EVENTS_A_REQUEST}`)
}
await check(topic, Number(count))
