import type { MessageBatch } from '../../batch/batch.ts'
import { BatchBuilder } from '../../batch/builder.ts'
import type { ValueKind } from '../../values/values.ts'
import { FIRST_TIMESTAMP_MS, keyOf } from './messages.ts'

const schema = {
  type: 'record',
  name: 'Order',
  namespace: 'com.acme',
  fields: [
    { name: 'order', type: 'long' },
    { name: 'customer', type: 'string' },
    { name: 'amount', type: 'double' },
    { name: 'status', type: { type: 'enum', name: 'Status', symbols: ['CREATED', 'PAID', 'SHIPPED'] } },
    { name: 'city', type: ['null', 'string'] },
    { name: 'items', type: 'int' },
    { name: 'express', type: 'boolean' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'day', type: { type: 'int', logicalType: 'date' } },
    { name: 'trace', type: 'string' },
  ],
}

/** The kind of generated values that are Avro records of ten fields, about 75 bytes each. */
export const orderKind: ValueKind = { id: 'order', type: 'avro', name: 'com.acme.Order', text: JSON.stringify(schema) }

const BATCHES = 8
const BATCH_COUNT = 10_000
const CITIES = ['Amsterdam', 'Barcelona', 'Edinburgh', 'Frankfurt', 'Reykjavik']

/** Batches of them; no value is there twice. */
export function orderBatches(): MessageBatch[] {
  return Array.from({ length: BATCHES }, (_, batch) => {
    const builder = new BatchBuilder()
    for (let i = 0; i < BATCH_COUNT; i++) {
      const n = batch * BATCH_COUNT + i
      builder.add({ position: n, timestamp: FIRST_TIMESTAMP_MS + n, key: keyOf(n), value: orderOf(n) })
    }
    return builder.build()
  })
}

/** Order `n` as Avro has it. */
function orderOf(n: number): Uint8Array {
  const random = Math.imul(n + 1, 0x9e37_79b1) >>> 0
  const out: number[] = []
  const long = (value: number) => {
    let rest = value >= 0 ? 2 * value : -2 * value - 1
    for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128)
    out.push(rest)
  }
  const text = (content: string) => {
    long(content.length)
    for (let i = 0; i < content.length; i++) out.push(content.charCodeAt(i))
  }
  long(n)
  text(keyOf(n))
  out.push(...new Uint8Array(Float64Array.of((random % 1_000_000) / 100).buffer))
  long(random % 3)
  if (random % 5 === 0) long(0)
  else {
    long(1)
    text(CITIES[random % CITIES.length]!)
  }
  long(random % 20)
  out.push(random & 1)
  long(FIRST_TIMESTAMP_MS + n)
  long(20_454 + Math.floor(n / 50_000))
  text(random.toString(16).padStart(8, '0').repeat(2))
  return Uint8Array.from(out)
}
