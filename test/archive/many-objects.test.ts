import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openFileSpill } from '../../src/adapters/file/spill.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { archiver, byKey, commitsOf, messages, openStore } from './split-scene.ts'

describe('a lane of many objects', () => {
  it.each([
    { where: 'on disk', spills: true },
    { where: 'in blocks, where there is no disk', spills: false },
  ])('keeps hundreds of objects open in little memory: messages that are few wait $where', async ({ spills }) => {
    const source = createMemorySource('orders')
    const produced = (from: number, to: number) =>
      messages(from, to, 'a', 300).map((message) => ({
        ...message,
        key: String.fromCodePoint(0x4e00 + (message.position % 250)),
      }))
    for (let from = 0; from < 5_000; from += 500) source.produce('0', produced(from, from + 500))
    const store = openStore()
    const folder = await mkdtemp(join(tmpdir(), 'millpond-split-'))
    const byCharacter = {
      ...byKey,
      openLane: (lane: { topic: string; lane: string }) => ({
        ...byKey.openLane(lane),
        assign: (batch: MessageBatch) => {
          const keys = Array.from(messagesOf(batch), ({ key }) => new TextDecoder().decode(key ?? undefined))
          const paths = [...new Set(keys)].map((id) => ({ id, values: { letter: id } }))
          const indexOf = new Map(paths.map(({ id }, index) => [id, index]))
          return { paths, pathOf: Int32Array.from(keys, (key) => indexOf.get(key)!), pathless: [] }
        },
      }),
    }
    let written = 0
    const openSpill = async () => {
      const spill = await openFileSpill(folder)
      return {
        ...spill,
        async write(bytes: Uint8Array) {
          written++
          return spill.write(bytes)
        },
      }
    }
    const scene = archiver(source)
    const changes = { layout: byCharacter, memoryBytes: 2 << 20, blockBytes: 16 << 10 }
    await scene.run(store, changes, spills ? { openSpill } : {})
    await rm(folder, { recursive: true })
    expect(scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))).toEqual(['stop'])
    const commit = (await commitsOf(store)).find(({ kind }) => kind === 'data')
    expect(commit!.segments).toHaveLength(250)
    expect(new Set(commit!.segments.map(({ count }) => count))).toEqual(new Set([20]))
    // On disk they wait to be one block; without it they are written as memory asks for it.
    const blocks = commit!.segments.map((segment) => segment.blocks.length)
    expect(written > 0).toBe(spills)
    expect(Math.max(...blocks) === 1).toBe(spills)
    expect(await verifyArchive(store, { against: source })).toMatchObject({ clean: true, messages: 5_000, compared: 5_000 })
  })
})
