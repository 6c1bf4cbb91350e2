import type { MessageBatch } from '../../batch/batch.ts'

/** What is generated: the measure that every figure of `bench/results.md` speaks of. */
export const MESSAGE_SHAPE = '200-byte JSON values, 16-byte keys, 3 headers'

/** 2026-01-01T00:00:00Z, ms: when the first generated message was sent. */
export const FIRST_TIMESTAMP_MS = 1_767_225_600_000
/** Customers that the generated messages are about; each has a key. */
export const CUSTOMER_COUNT = 1_000_000

const VALUE_BYTES = 200
const KEY_BYTES = 16
const ID_BYTES = 16
const STATUSES = ['created  ', 'paid     ', 'packed   ', 'shipped  ', 'delivered', 'returned ']
const CITIES = [
  'Amsterdam',
  'Barcelona',
  'Edinburgh',
  'Frankfurt',
  'Groningen',
  'Marseille',
  'Reykjavik',
  'Stockholm',
  'Timisoara',
  'Wroclaw  ',
]
const HEADERS = [
  ['source', 'web-7'],
  ['type', 'order'],
  ['version', '3'],
] as const

/** What the messages of a run differ in. */
export interface MessageOptions {
  /** Whether each message has an id, `id-` and its number in 13 digits. */
  readonly ids: boolean
  /** Messages sent in each millisecond of the generated time. */
  readonly messagesPerMs: number
}

/** Generates the same messages for the same numbers: message `n` is always the same, whatever was generated before. */
export interface MessageGenerator {
  /** Messages `first` to `first + count - 1`; positions are their numbers. */
  batch(first: number, count: number): MessageBatch
}

/** The key of message `n`. */
export const keyOf = (n: number): string => `customer${String(scatter(n) % CUSTOMER_COUNT).padStart(8, '0')}`
/** The id of message `n`. */
export const idOf = (n: number): string => `id-${String(n).padStart(13, '0')}`

/** A whole number that follows from `n` and looks random: 32 bits of a multiplicative hash. */
function scatter(n: number): number {
  let x = (n ^ 0x9e37_79b9) >>> 0
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** Writes `value` in decimal into `width` bytes before `end`, with zeros in front. */
function writeDigits(bytes: Uint8Array, end: number, width: number, value: number): void {
  let rest = value
  for (let at = end - 1; at >= end - width; at--) {
    const next = Math.floor(rest / 10)
    bytes[at] = 48 + rest - next * 10
    rest = next
  }
}

/** Writes the low 4 x `width` bits of `value` in hexadecimal. */
function writeHex(bytes: Uint8Array, at: number, width: number, value: number): void {
  let rest = value
  for (let i = 0; i < width; i++) {
    const digit = rest & 15
    bytes[at + i] = digit < 10 ? 48 + digit : 87 + digit
    rest >>>= 4
  }
}

const TRACE_HEX = 56
const TEMPLATE =
  '{"order":"0000000000000","customer":"customer00000000","amount":10000.00,"status":"_________",' +
  `"city":"_________","items":10,"trace":"${'0'.repeat(TRACE_HEX)}"`

const encoder = new TextEncoder()
const texts = (words: readonly string[]) => words.map((word) => encoder.encode(word))

/** A generator of {@link MESSAGE_SHAPE}, compressible about four times. */
export function createMessageGenerator(options: MessageOptions): MessageGenerator {
  const template = new Uint8Array(VALUE_BYTES).fill(32)
  template.set(encoder.encode(TEMPLATE))
  template[VALUE_BYTES - 1] = 0x7d
  const places = {
    order: TEMPLATE.indexOf('0000000000000') + 13,
    customer: TEMPLATE.indexOf('customer00000000') + 16,
    euros: TEMPLATE.indexOf('10000.00') + 5,
    cents: TEMPLATE.indexOf('10000.00') + 8,
    status: TEMPLATE.indexOf('"status":"') + 10,
    city: TEMPLATE.indexOf('"city":"') + 8,
    items: TEMPLATE.indexOf('"items":') + 10,
    trace: TEMPLATE.indexOf('"trace":"') + 9,
  }
  const statuses = texts(STATUSES)
  const cities = texts(CITIES)
  const headerBytes = encoder.encode(HEADERS.map(([name, value]) => name + value).join(''))
  const idBytes = options.ids ? ID_BYTES : 0
  const messageBytes = KEY_BYTES + idBytes + VALUE_BYTES

  const writeMessage = (bytes: Uint8Array, at: number, n: number) => {
    const random = scatter(n)
    const value = at + KEY_BYTES + idBytes
    bytes.set(template, value)
    writeDigits(bytes, value + places.order, 13, n)
    writeDigits(bytes, value + places.customer, 8, random % CUSTOMER_COUNT)
    writeDigits(bytes, value + places.euros, 4, random % 9973)
    writeDigits(bytes, value + places.cents, 2, random % 97)
    bytes.set(statuses[random % statuses.length]!, value + places.status)
    bytes.set(cities[(random >>> 8) % cities.length]!, value + places.city)
    writeDigits(bytes, value + places.items, 1, (random >>> 4) % 10)
    for (let hex = 0; hex < TRACE_HEX; hex += 8) writeHex(bytes, value + places.trace + hex, 8, scatter(n + hex * 0x5bd1_e995))
    bytes.set(bytes.subarray(value + places.customer - KEY_BYTES, value + places.customer), at)
    if (idBytes === 0) return
    bytes[at + KEY_BYTES] = 0x69
    bytes[at + KEY_BYTES + 1] = 0x64
    bytes[at + KEY_BYTES + 2] = 0x2d
    writeDigits(bytes, at + KEY_BYTES + ID_BYTES, 13, n)
  }

  return {
    batch(first, count) {
      const bytes = new Uint8Array(headerBytes.byteLength + count * messageBytes)
      bytes.set(headerBytes)
      for (let i = 0; i < count; i++) writeMessage(bytes, headerBytes.byteLength + i * messageBytes, first + i)
      return { bytes, ...columns(first, count, headerBytes.byteLength, idBytes, options.messagesPerMs) }
    },
  }
}

/** The columns of messages that all have the same shape, one behind the other from `start` on. */
function columns(
  first: number,
  count: number,
  start: number,
  idBytes: number,
  messagesPerMs: number,
): Omit<MessageBatch, 'bytes'> {
  const positions = new Float64Array(count)
  const timestamps = new Float64Array(count)
  const spans = Array.from({ length: 6 }, () => new Int32Array(count))
  const headerFrom = new Int32Array(count + 1)
  const headers = Array.from({ length: 4 }, () => new Int32Array(count * HEADERS.length))
  const [keyStart, keyEnd, valueStart, valueEnd, idStart, idEnd] = spans as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  const [headerNameStart, headerNameEnd, headerValueStart, headerValueEnd] = headers as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ]
  for (let i = 0; i < count; i++) {
    const at = start + i * (KEY_BYTES + idBytes + VALUE_BYTES)
    positions[i] = first + i
    timestamps[i] = FIRST_TIMESTAMP_MS + Math.floor((first + i) / messagesPerMs)
    keyStart[i] = at
    keyEnd[i] = at + KEY_BYTES
    idStart[i] = idBytes === 0 ? -1 : at + KEY_BYTES
    idEnd[i] = idBytes === 0 ? -1 : at + KEY_BYTES + idBytes
    valueStart[i] = at + KEY_BYTES + idBytes
    valueEnd[i] = at + KEY_BYTES + idBytes + VALUE_BYTES
    headerFrom[i + 1] = (i + 1) * HEADERS.length
    let byte = 0
    for (const [h, [name, value]] of HEADERS.entries()) {
      const header = i * HEADERS.length + h
      headerNameStart[header] = byte
      headerNameEnd[header] = byte + name.length
      headerValueStart[header] = byte + name.length
      headerValueEnd[header] = byte + name.length + value.length
      byte += name.length + value.length
    }
  }
  return {
    count,
    positions,
    timestamps,
    keyStart,
    keyEnd,
    valueStart,
    valueEnd,
    idStart,
    idEnd,
    headerFrom,
    headerNameStart,
    headerNameEnd,
    headerValueStart,
    headerValueEnd,
  }
}
