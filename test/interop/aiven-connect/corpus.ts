import { Kafka as KafkaJs, logLevel, type Message } from 'kafkajs'
import type { Kafka } from '../../servers/kafka.ts'
import type { SchemaRegistry } from '../../servers/schema-registry.ts'

/** A message that is sent; times in ms. */
export interface Sent {
  readonly partition: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly (readonly [name: string, value: Buffer])[]
  readonly timestamp: number
}

/** The topics of the corpus, by what their values are. */
export type TopicKind = (typeof TOPIC_KINDS)[number]

export const TOPIC_KINDS = ['bytes', 'json', 'text', 'avro', 'late'] as const

export const PARTITIONS = 3
/** Messages of a partition: enough for several objects at the limits that the cases set. */
export const PER_PARTITION = 14

/** Half past ten in the evening in UTC: the messages cross midnight there, and have crossed it in Berlin. */
const START_MS = Date.UTC(2026, 2, 28, 22, 30)
const STEP_MS = 17 * 60_000

const utf8 = (text: string) => Buffer.from(text)
const bytes = (...of: number[]) => Buffer.from(of)

export const topicOf = (kind: TopicKind): string => `orders.${kind}_v1`

const ODD_BYTES: readonly (Buffer | null)[] = [
  utf8('plain'),
  null,
  utf8(''),
  utf8('a,b'),
  utf8('"quoted"'),
  utf8('two\nlines'),
  bytes(0x00, 0xff, 0x80, 0x0a, 0x2c),
  utf8('Zürich ☃ 🎈'),
  bytes(0xc3, 0x28),
  utf8('null'),
  utf8(' blanks '),
  utf8('back\\slash'),
  utf8('{"a":1}'),
  Buffer.alloc(40, 'x'),
]

const JSON_TEXTS: readonly (string | null)[] = [
  ' { "id" : 1, "name" : "Ann",\n "tags" : ["a","b"] } ',
  null,
  '{"nested":{"deep":{"deeper":[1,2,{"x":null}]}},"yes":true,"no":false}',
  '"a text"',
  '[1,-2,3000000000,9007199254740993]',
  '{"name":"Zürich ☃ 🎈","quote":"\\"\\\\ /"}',
  '{"control":"\\n\\t\\r\\b\\f\\u0001"}',
  'true',
  '0',
  '{}',
  '[]',
  '{"price":12.50,"whole":1.0,"exponent":1e3,"small":-0.25E-2}',
  '{"empty":"","a b":" "}',
  '-17',
]

const TEXTS: readonly (string | null)[] = [
  'one line',
  '',
  null,
  'a,b;c',
  '"quoted"',
  'two\nlines',
  'tab\there',
  'Zürich ☃ 🎈',
  '{"looks":"like JSON"}',
  'null',
  '\u0001\u007f\u2028',
  'back\\slash/',
  ' blanks ',
  '<&>',
]

const KEYS: readonly (string | null)[] = ['customer-1', 'customer-2', null, 'Zürich', '', 'with "quotes"', 'c,7']
const HEADER_TEXTS = ['t-1', 'Zürich', 'true', '', 'with "quotes"', '17', 'two\nlines', '1.5']

/** The schema of the topic with Avro values. */
export const AVRO_SCHEMA = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'name', type: 'string' },
    { name: 'note', type: ['null', 'string'], default: null },
    { name: 'price', type: 'double' },
  ],
}

const long = (value: number): Buffer => {
  const out: number[] = []
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n))
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80)
  return Buffer.from([...out, Number(rest)])
}
const avroText = (text: string) => Buffer.concat([long(Buffer.byteLength(text)), utf8(text)])

function avroValue(schemaId: number, i: number): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(schemaId, 1)
  const price = Buffer.alloc(8)
  price.writeDoubleLE(i / 4)
  const note = i % 3 === 0 ? long(0) : Buffer.concat([long(1), avroText(`note "${i}"`)])
  return Buffer.concat([prefix, long(i * 1_000_003 - 7), avroText(`Zürich ${i}`), note, price])
}

/** The messages of a topic, in the order of their offsets in each partition. */
export function messagesOf(kind: TopicKind, schemaId = 0): Sent[] {
  return Array.from({ length: PARTITIONS * PER_PARTITION }, (_, at) => {
    const partition = at % PARTITIONS
    const i = Math.floor(at / PARTITIONS)
    return { partition, ...partsOf(kind, { i, odd: i + partition, schemaId }), timestamp: timeOf(kind, i) }
  })
}

/** Of the topic `late` each third message is from two hours before. */
const timeOf = (kind: TopicKind, i: number): number => START_MS + i * STEP_MS - (kind === 'late' && i % 3 === 2 ? 7_200_000 : 0)

function partsOf(kind: TopicKind, { i, odd, schemaId }: { i: number; odd: number; schemaId: number }) {
  const text = (from: readonly (string | null)[]): Buffer | null => {
    const found = from[odd % from.length]
    return found === null || found === undefined ? null : utf8(found)
  }
  if (kind === 'bytes') {
    const one = (of: number) => ODD_BYTES[of % ODD_BYTES.length] ?? null
    const headers = [
      ['trace', one(odd + 5)],
      ['Zürich', one(odd + 7)],
      ['trace', utf8('again')],
    ] as const
    const taken = headers.slice(0, i % 4).flatMap(([name, value]) => (value === null ? [] : [[name, value] as const]))
    return { key: one(odd + 3), value: one(odd), headers: taken }
  }
  const headers = Array.from(
    { length: i % 3 },
    (_, at) => [`h${at}`, utf8(HEADER_TEXTS[(odd + at) % HEADER_TEXTS.length]!)] as const,
  )
  if (kind === 'avro') return { key: utf8(`customer-${odd % 4}`), value: avroValue(schemaId, i), headers }
  return {
    key: kind === 'late' ? text([...KEYS.filter((one) => one !== ''), 'eu/a=1 %']) : text(KEYS),
    value: text(kind === 'text' ? TEXTS : JSON_TEXTS),
    headers,
  }
}

/** Makes the topic and sends its messages; gives its name. */
export async function sendTopic(kafka: Kafka, kind: TopicKind, registry: Pick<SchemaRegistry, 'register'>): Promise<string> {
  const topic = topicOf(kind)
  const schemaId =
    kind === 'avro' ? await registry.register(`${topic}-value`, { schema: JSON.stringify(AVRO_SCHEMA) }) : undefined
  await kafka.createTopic(topic, { partitions: PARTITIONS, config: { 'retention.ms': '-1' } })
  // What is sent again must not be there twice.
  const producer = new KafkaJs({ brokers: [kafka.bootstrap], logLevel: logLevel.NOTHING }).producer({ idempotent: true })
  await producer.connect()
  try {
    const all = messagesOf(kind, schemaId)
    for (let partition = 0; partition < PARTITIONS; partition++)
      await producer.send({ topic, messages: all.filter((one) => one.partition === partition).map(toSend) })
  } finally {
    await producer.disconnect()
  }
  return topic
}

function toSend({ headers, timestamp, ...message }: Sent): Message {
  const byName: Record<string, Buffer[]> = {}
  for (const [name, value] of headers) (byName[name] ??= []).push(value)
  return { ...message, headers: byName, timestamp: String(timestamp) }
}
