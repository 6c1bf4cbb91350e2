import type { MessageBatch } from '../../batch/batch.ts'
import type { ValueKind } from '../../values/values.ts'

/** The schema of generated values, where a format wants one. */
export const orderKind: ValueKind = {
  id: 'order',
  type: 'avro',
  name: 'io.millpond.Order',
  references: [],
  text: JSON.stringify({
    type: 'record',
    name: 'Order',
    namespace: 'io.millpond',
    fields: [
      { name: 'order', type: 'string' },
      { name: 'customer', type: 'string' },
      { name: 'amount', type: 'double' },
      { name: 'status', type: 'string' },
      { name: 'city', type: 'string' },
      { name: 'items', type: 'int' },
      { name: 'trace', type: 'string' },
    ],
  }),
}

interface Order {
  readonly order: string
  readonly customer: string
  readonly amount: number
  readonly status: string
  readonly city: string
  readonly items: number
  readonly trace: string
}

const decoder = new TextDecoder()

/** The batch with its generated JSON values as data of `orderKind`, without a wire format's prefix. */
export function withAvroValues(batch: MessageBatch): MessageBatch {
  const valueStart = new Int32Array(batch.count)
  const valueEnd = new Int32Array(batch.count)
  const parts: Uint8Array[] = [batch.bytes]
  let at = batch.bytes.byteLength
  for (let row = 0; row < batch.count; row++) {
    const json = decoder.decode(batch.bytes.subarray(batch.valueStart[row], batch.valueEnd[row]))
    const datum = datumOf(JSON.parse(json) as Order)
    parts.push(datum)
    valueStart[row] = at
    at += datum.byteLength
    valueEnd[row] = at
  }
  return { ...batch, bytes: Buffer.concat(parts), valueStart, valueEnd }
}

function datumOf({ order, customer, amount, status, city, items, trace }: Order): Uint8Array {
  const double = Buffer.alloc(8)
  double.writeDoubleLE(amount)
  return Buffer.concat([text(order), text(customer), double, text(status), text(city), int(items), text(trace)])
}

/** All are shorter than 64 bytes. */
const text = (content: string): Buffer => Buffer.concat([int(Buffer.byteLength(content)), Buffer.from(content)])
const int = (value: number): Uint8Array => Uint8Array.of(value * 2)
