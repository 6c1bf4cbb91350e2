import avro from 'avsc'
import type { ArchiveOptions } from '../../src/archive/options.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { parseContainerHeader } from '../../src/encode/avro-container.ts'
import type { Store } from '../../src/store/store.ts'
import { createMemorySource } from '../live/memory-source.ts'
import type { SchemaRegistry } from '../servers/schema-registry.ts'
import { archiver, listed, openStore } from './split-scene.ts'

export const modes = ['none', 'backward', 'forward', 'full'] as const

/** A record with `id`, the position of its message, and one more field or none. */
const order = (...fields: readonly object[]) => ({
  type: 'record',
  name: 'com.acme.Order',
  fields: [{ name: 'id', type: 'long' }, ...fields],
})
const symbols = (...all: readonly string[]) => ({
  name: 'kind',
  type: { type: 'enum', name: 'Kind', symbols: all },
})

/** How a schema goes on: its versions, what a message of a version says, and which object it goes to. */
export interface Evolution {
  readonly what: string
  readonly versions: readonly object[]
  /** The value of a message beside its id; where it says nothing of a field, that is not in the version. */
  readonly more?: (position: number) => object
  /** Where a value that another version can read is the same there; else its rules of resolution say. */
  readonly isAlike?: true
  /** The version of each message, counted from 1. */
  readonly sequence: readonly number[]
  /** For each mode: for each object, the version that it has, and its messages. */
  readonly objects: Readonly<Record<(typeof modes)[number], readonly (readonly [version: number, ...positions: number[]])[]>>
}

const later: Evolution['objects'] = {
  none: [
    [1, 0, 1, 3, 6],
    [2, 2, 5],
    [3, 4, 7],
  ],
  backward: [
    [1, 0, 1],
    [2, 2, 3],
    [3, 4, 5, 6, 7],
  ],
  forward: [[1, 0, 1, 2, 3, 4, 5, 6, 7]],
  full: [
    [1, 0, 1],
    [2, 2, 3],
    [3, 4, 5, 6, 7],
  ],
}

export const evolutions: readonly Evolution[] = [
  {
    what: 'fields that come with a default',
    versions: [
      order(),
      order({ name: 'note', type: 'string', default: 'none' }),
      order({ name: 'note', type: 'string', default: 'none' }, { name: 'tag', type: ['null', 'string'], default: null }),
    ],
    more: (position) => ({ note: `note ${position}`, tag: position % 2 === 0 ? null : `tag ${position}` }),
    sequence: [1, 1, 2, 1, 3, 2, 1, 3],
    objects: later,
  },
  {
    what: 'versions that go back',
    versions: [
      order(),
      order({ name: 'note', type: ['null', 'string'], default: null }),
      order({ name: 'note', type: ['null', 'string'], default: null }, { name: 'n', type: 'int', default: 7 }),
    ],
    more: (position) => ({ note: `note ${position}`, n: -position }),
    sequence: [3, 2, 3, 1, 2],
    objects: {
      none: [
        [3, 0, 2],
        [2, 1, 4],
        [1, 3],
      ],
      backward: [[3, 0, 1, 2, 3, 4]],
      forward: [
        [3, 0],
        [2, 1, 2],
        [1, 3, 4],
      ],
      full: [[3, 0, 1, 2, 3, 4]],
    },
  },
  {
    what: 'a number that becomes wider, another name, and another order',
    versions: [
      order({ name: 'n', type: 'int' }, { name: 'text', type: 'string' }),
      order({ name: 'label', type: 'string', aliases: ['text'] }, { name: 'n', type: 'double' }),
    ],
    more: (position) => ({ n: position * 3, text: `text ž ${position}`, label: `label ${position}` }),
    sequence: [1, 2, 1, 1, 2],
    objects: {
      none: [
        [1, 0, 2, 3],
        [2, 1, 4],
      ],
      backward: [
        [1, 0],
        [2, 1, 2, 3, 4],
      ],
      // What is wider does not go back.
      forward: [
        [1, 0, 2, 3],
        [2, 1, 4],
      ],
      full: [
        [1, 0],
        [2, 1, 2, 3, 4],
      ],
    },
  },
  {
    what: 'a field without a default: older values cannot be written so',
    versions: [order(), order({ name: 'note', type: 'string' })],
    more: (position) => ({ note: `note ${position}` }),
    sequence: [1, 2, 1, 2, 1],
    objects: {
      none: [
        [1, 0, 2, 4],
        [2, 1, 3],
      ],
      backward: [
        [1, 0, 2, 4],
        [2, 1, 3],
      ],
      forward: [[1, 0, 1, 2, 3, 4]],
      full: [
        [1, 0, 2, 4],
        [2, 1, 3],
      ],
    },
  },
  {
    what: 'a symbol that is gone: the values that have it cannot be written so',
    versions: [order(symbols('A', 'B')), order(symbols('A', 'C'))],
    isAlike: true,
    more: (position) => ({ kind: position === 3 ? 'B' : position === 5 ? 'C' : 'A' }),
    sequence: [2, 1, 1, 1, 2, 2, 1],
    objects: {
      none: [
        [2, 0, 4, 5],
        [1, 1, 2, 3, 6],
      ],
      backward: [
        [2, 0, 1, 2, 4, 5, 6],
        [1, 3],
      ],
      forward: [
        [2, 0, 5],
        [1, 1, 2, 3, 4, 6],
      ],
      full: [
        [2, 0, 1, 2, 4, 5, 6],
        [1, 3],
      ],
    },
  },
]

const types = new Map<string, avro.Type>()
function typeOf(schema: object): avro.Type {
  const text = JSON.stringify(schema)
  const type = types.get(text) ?? avro.Type.forSchema(JSON.parse(text) as avro.Schema, { wrapUnions: false })
  types.set(text, type)
  return type
}

const framed = (id: number, datum: Uint8Array): Uint8Array => {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(id, 1)
  return Buffer.concat([prefix, datum])
}

/** Registers the versions under the subject; gives their ids. */
export async function registered(server: SchemaRegistry, subject: string, versions: readonly object[]): Promise<number[]> {
  const ids: number[] = []
  for (const schema of versions) ids.push(await server.register(subject, { schema: JSON.stringify(schema) }))
  return ids
}

/** The value of the message at the position as this version says it. */
export function datumOf({ versions, more }: Pick<Evolution, 'versions' | 'more'>, version: number, position: number): Buffer {
  return typeOf(versions[version - 1]!).toBuffer({ id: position, ...more?.(position) })
}

/** The same as a reader of another version has it. */
export function readAs(evolution: Evolution, written: number, read: number, position: number): Record<string, unknown> {
  if (evolution.isAlike === true) return { id: position, ...evolution.more?.(position) }
  const reader = typeOf(evolution.versions[read - 1]!)
  const resolver = reader.createResolver(typeOf(evolution.versions[written - 1]!))
  const value = reader.fromBuffer(datumOf(evolution, written, position), resolver) as Record<string, unknown>
  return { ...value }
}

/** What objects of the evolution's messages are to be: their names, the version of their schema, and their rows. In the order of names. */
export const expectedObjects = (evolution: Evolution, mode: (typeof modes)[number]) =>
  evolution.objects[mode]
    .map(([version, ...positions]) => ({
      name: `a/0+${String(positions[0]).padStart(6, '0')}`,
      version,
      rows: positions.map((position) => readAs(evolution, evolution.sequence[position]!, version, position)),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))

/** Messages of the evolution, whose keys all begin with one letter. */
export const messagesOf = (evolution: Evolution, ids: readonly number[]): MessageInput[] =>
  evolution.sequence.map((version, position) => ({
    position,
    timestamp: position,
    key: `a-${position}`,
    value: framed(ids[version - 1]!, datumOf(evolution, version, position)),
  }))

/** A message of any schema. */
export const framedMessage = (position: number, id: number, datum: Uint8Array, key = `a-${position}`): MessageInput => ({
  position,
  timestamp: position,
  key,
  value: framed(id, datum),
})

/** It has given its lanes at once: a run that ends by itself need not wait for more of them. */
export const quickSource = (topic: string) => ({ ...createMemorySource(topic), joined: async () => undefined })

/** Archives the messages of one lane, given in pieces of these sizes by turns. */
export async function archived(
  messages: readonly MessageInput[],
  values: NonNullable<Parameters<ReturnType<typeof archiver>['run']>[2]>['values'],
  changes: Partial<ArchiveOptions>,
  { topic = 'orders', pieces = [100] }: { readonly topic?: string; readonly pieces?: readonly number[] } = {},
) {
  const source = quickSource(topic)
  for (let at = 0, turn = 0; at < messages.length; turn++) {
    const count = pieces[turn % pieces.length]!
    source.produce('0', messages.slice(at, at + count))
    at += count
  }
  const store = openStore()
  const scene = archiver(source)
  await scene.run(store, changes, values === undefined ? {} : { values })
  return { source, store, buried: scene.buried }
}

/** What each object of values in Avro holds, by its own schema, in the order of keys. */
export async function avroObjects(store: Store): Promise<{ key: string; schema: string; rows: Record<string, unknown>[] }[]> {
  const rules = segmentFormat('value-avro')
  const objects = []
  for (const key of (await listed(store)).sort()) {
    const object = await store.read(key)
    const header = parseContainerHeader(object)!
    const type = typeOf(JSON.parse(header.schema) as object)
    const rows: Record<string, unknown>[] = []
    for (const { offset, bytes, count } of await rules.split!(object)) {
      const raw = Buffer.from(await rules.rawOf!(object.subarray(offset, offset + bytes), header.codec, header))
      let at = 0
      for (let row = 0; row < count; row++) {
        const { value, offset: end } = type.decode(raw, at)
        rows.push({ ...(value as Record<string, unknown>) })
        at = end
      }
      if (at !== raw.byteLength) throw new Error(`${key}: bytes lie behind its records`)
    }
    objects.push({ key, schema: header.schema, rows })
  }
  return objects
}
