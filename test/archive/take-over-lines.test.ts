import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import type { Codec, Format } from '../../src/encode/block.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { archiver, listed, messages, options } from './split-scene.ts'

const codecs = ['gzip', 'zstandard', 'snappy', 'null'] as const satisfies readonly Codec[]
const lineCases = (['json', 'value-json', 'value-json-array', 'csv', 'raw'] as const satisfies readonly Format[]).flatMap(
  (format) => codecs.map((codec) => ({ format, codec })),
)
const avroCases = (['zstandard', 'deflate', 'snappy', 'null'] as const satisfies readonly Codec[]).map((codec) => ({
  format: 'persistorrecord' as const,
  codec,
}))
const cases = [...lineCases, ...avroCases]

describe('objects of lines, and of records of Dataphos, that a crash left under their names', () => {
  it.each(cases)('are taken over in $format, $codec, though their blocks were cut elsewhere', async ({ format, codec }) => {
    const source = createMemorySource('orders')
    source.produce(
      '0',
      messages(0, 300, 'ab').map((one) => ({ ...one, value: `{"n":${one.position}}` })),
    )
    const settled = { ...source, joined: async () => undefined }
    const first = createMemoryStore()
    await archiver(settled).run(first, { format, codec, blockBytes: 500, writer: 'w1' })
    const store = createMemoryStore()
    const left = new Map<string, Uint8Array>()
    for (const key of await listed(first)) {
      left.set(key, await first.read(key))
      await store.put(key, left.get(key)!)
    }
    expect(left.size).toBeGreaterThan(1)
    source.reassign('0')
    await archiver(settled).run(store, { format, codec, blockBytes: 4096, writer: 'w2', rotate: options.rotate })
    expect((await listed(store)).toSorted()).toEqual([...left.keys()].toSorted())
    for (const [key, bytes] of left) expect(Buffer.compare(await store.read(key), bytes)).toBe(0)
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, messages: 300, unnamed: { objects: 0 } })
  })
})
