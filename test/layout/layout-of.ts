import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { messageAt, valueAt } from '../../src/batch/view.ts'
import { checkConfig } from '../../src/config/load.ts'
import { createLayout } from '../../src/layout/create-layout.ts'
import type { BatchContext, Layout, ObjectPath, ObjectStart } from '../../src/layout/layout.ts'
import { checkKey } from '../../src/store/key.ts'
import type { FieldValue, ValueKind } from '../../src/values/values.ts'

/** The layout of a configuration file with this section. */
export async function layoutOf(layout: Readonly<Record<string, unknown>>): Promise<Layout> {
  const place = { file: undefined, folder: '/' }
  const text = JSON.stringify({ layout, source: { topics: ['orders'] } })
  const { config } = await checkConfig(text, place, { env: {}, readFile: () => Promise.reject(new Error('none')) })
  return createLayout(config.layout)
}

/** Fields of values that are JSON objects; dots go into objects within. */
export function jsonFields(batch: MessageBatch): NonNullable<BatchContext['field']> {
  const values = Array.from({ length: batch.count }, (_, row): unknown => {
    const bytes = valueAt(batch, row)
    return bytes === null ? undefined : JSON.parse(new TextDecoder().decode(bytes))
  })
  return (name) => (row) => {
    let value: unknown = values[row]
    for (const step of name.split('.')) value = (value as Record<string, unknown> | null | undefined)?.[step]
    return typeof value === 'object' && value !== null ? undefined : (value as FieldValue)
  }
}

export interface Placed {
  readonly keys: readonly (string | undefined)[]
  readonly paths: readonly (ObjectPath | undefined)[]
  readonly reasons: Readonly<Record<number, string>>
}

export interface PlaceOptions {
  readonly topic?: string
  readonly lane?: string
  readonly nowMs?: number
  readonly extension?: string
  readonly sibling?: 'keys' | 'headers'
  readonly writer?: string
  readonly schema?: string
}

/** Where each message would lie were it the first of its object; every key is one that stores take. */
export function place(layout: Layout, messages: readonly MessageInput[], options: PlaceOptions = {}): Placed {
  const { topic = 'orders', lane = '3', nowMs = 0, extension = 'avro', sibling, writer = 'w1', schema } = options
  const opened = layout.openLane({ topic, lane })
  const batch = batchOf(messages)
  const kind: ValueKind | undefined =
    schema === undefined ? undefined : { id: '1', type: 'avro', name: schema, text: '{}', references: [] }
  const { paths, pathOf, pathless } = opened.assign(batch, { nowMs, field: jsonFields(batch), kind: () => kind })
  const keys = Array.from(pathOf, (index, row) => {
    if (index < 0) return undefined
    const { position, timestamp, key, id } = messageAt(batch, row)
    const start: ObjectStart = { position, timestampMs: timestamp, key: key ?? undefined, id: id ?? undefined, nowMs, writer }
    const made = opened.objectKey(paths[index]!, start, extension, sibling)
    checkKey(made)
    return made
  })
  return {
    keys,
    paths: Array.from(pathOf, (index) => paths[index]),
    reasons: Object.fromEntries(pathless.map(({ row, reason }) => [row, reason])),
  }
}

/** The key of one message as the first of its object, or why it has none. */
export function keyOf(layout: Layout, message: Partial<MessageInput>, options: PlaceOptions = {}): string | undefined {
  const { keys, reasons } = place(layout, [{ position: 0, timestamp: 0, value: '{}', ...message }], options)
  return keys[0] ?? reasons[0]
}
