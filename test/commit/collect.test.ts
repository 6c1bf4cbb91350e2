import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { openChain } from '../../src/commit/chain.ts'
import { collectGarbage } from '../../src/commit/collect.ts'
import { clockNoteKey, commitKey } from '../../src/commit/commit-names.ts'
import type { Store } from '../../src/store/store.ts'
import { draftOf, lane, NO_BYTES } from './drafts.ts'

const DAY_MS = 24 * 3600 * 1000
const tomorrow = () => ({ olderThanMs: DAY_MS, nowMs: Date.now() + DAY_MS + 1000 })

const keysOf = async (store: Store) => (await Array.fromAsync(store.list('orders/'))).map(({ key }) => key)
const open = (store: Store, writer = 'w') => openChain({ store, lane, startPosition: 0, writer, now: () => 1 })

/** A chain up to position 10 in two commits with their objects. */
async function filled(): Promise<Store> {
  const store = createMemoryStore()
  const chain = await open(store)
  for (const to of [4, 10]) {
    const draft = draftOf(chain.folder, chain.nextPosition, to)
    await store.put(draft.segments[0]!.key, new Uint8Array(5))
    await chain.append(draft)
  }
  return store
}

const passed = 'orders/0/0000000000000004-x.avro'
const ahead = 'orders/0/0000000000000010-x.avro'
const foreign = 'orders/0/notes.txt'

describe('collectGarbage', () => {
  it('removes what no commit names and no commit can name any more', async () => {
    const store = await filled()
    const named = await keysOf(store)
    await store.put(passed, new Uint8Array(7))
    expect(await collectGarbage(store, tomorrow())).toMatchObject({
      removed: { objects: 1, bytes: 7 },
      left: { objects: 0, bytes: 0 },
    })
    expect(await keysOf(store)).toEqual(named)
  })

  it('leaves what a writer that sleeps may still commit, however old it is, and removes it when the chain has passed it', async () => {
    const store = await filled()
    const sleeper = await open(store, 'x')
    await store.put(ahead, new Uint8Array(7))
    const later = { olderThanMs: DAY_MS, nowMs: Date.now() + 1000 * DAY_MS }
    expect(await collectGarbage(store, later)).toMatchObject({ removed: { objects: 0 }, left: { objects: 1, bytes: 7 } })
    const other = await open(store)
    await other.append(draftOf(other.folder, 10, 12))
    expect(await collectGarbage(store, later)).toMatchObject({ removed: { objects: 1 } })
    expect(await sleeper.append(draftOf(sleeper.folder, 10, 14, 'x'))).toEqual({ outcome: 'lost' })
  })

  it('removes notes of the wall clock that the chain has passed, and leaves the one that a commit may still be made by', async () => {
    const store = await filled()
    for (const position of [0, 4, 10]) await store.put(clockNoteKey('orders/0', position), new Uint8Array(3))
    await store.put('_millpond/orders/_clock/0/notes.txt', new Uint8Array(3))
    // Not a note, though a part of its name looks like one's.
    await store.put('orders/0/0123456789abcdef_0000000000000000.json', new Uint8Array(1))
    const left = async () => (await Array.fromAsync(store.list('_millpond/orders/_clock/'))).map(({ key }) => key)
    expect(await collectGarbage(store, { ...tomorrow(), nowMs: Date.now() })).toMatchObject({
      removed: { objects: 0 },
      left: { objects: 3 },
    })
    expect(await left()).toHaveLength(4)
    expect(await collectGarbage(store, tomorrow())).toMatchObject({ removed: { objects: 2, bytes: 6 }, left: { objects: 1 } })
    expect(await left()).toEqual([clockNoteKey('orders/0', 10), '_millpond/orders/_clock/0/notes.txt'])
  })

  it('leaves objects of today, and those with names of others', async () => {
    const store = await filled()
    await store.put(passed, new Uint8Array(7))
    await store.put(foreign, new Uint8Array(1))
    const today = { olderThanMs: DAY_MS, nowMs: Date.now() }
    expect(await collectGarbage(store, today)).toMatchObject({
      removed: { objects: 0, bytes: 0 },
      left: { objects: 2, bytes: 8 },
    })
    await collectGarbage(store, tomorrow())
    expect(await keysOf(store)).toContain(foreign)
    expect(await keysOf(store)).not.toContain(passed)
  })

  it('only counts in a dry run', async () => {
    const store = await filled()
    await store.put(passed, new Uint8Array(7))
    expect(await collectGarbage(store, { ...tomorrow(), dryRun: true })).toMatchObject({ removed: { objects: 1, bytes: 7 } })
    expect(await keysOf(store)).toContain(passed)
  })

  it('leaves what is committed between its listing and its reading of the chain', async () => {
    const store = await filled()
    const chain = await open(store, 'x')
    await store.put(ahead, new Uint8Array(7))
    let isListed = false
    const racing: Store = {
      ...store,
      async *list(prefix, options, signal) {
        yield* store.list(prefix, options, signal)
        if (prefix !== 'orders/0/' || isListed) return
        isListed = true
        await chain.append(draftOf(chain.folder, 10, 14, 'x'))
        const next = await open(store)
        await next.append(draftOf(next.folder, 14, 15))
      },
    }
    expect(await collectGarbage(racing, tomorrow())).toMatchObject({ removed: { objects: 0 } })
    expect(isListed).toBe(true)
    expect(await keysOf(store)).toContain(ahead)
  })

  it('removes nothing where the chain is damaged', async () => {
    const store = await filled()
    await store.put(passed, new Uint8Array(7))
    await store.put(commitKey('orders/0', 4), NO_BYTES)
    await expect(collectGarbage(store, tomorrow())).rejects.toThrow(expect.objectContaining({ code: 'COMMIT_CORRUPT' }))
    expect(await keysOf(store)).toContain(passed)
  })

  it('looks only at the topic and lane that it is asked for', async () => {
    const store = await filled()
    await store.put(passed, new Uint8Array(7))
    await collectGarbage(store, { ...tomorrow(), lane: '1' })
    await collectGarbage(store, { ...tomorrow(), topic: 'other' })
    expect(await keysOf(store)).toContain(passed)
  })

  it('is the only one that removes objects, but for the probe its own', () => {
    const root = join(import.meta.dirname, '../../src')
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
    const removing = files.filter((file) => /store\??\.delete\(/u.test(readFileSync(join(root, file), 'utf8')))
    // The wrappers pass the call on; tables remove metadata of their own that no snapshot came to name.
    const tables = ['iceberg/snapshot.ts', 'iceberg/sync.ts']
    const compaction = ['commit/collect-replaced.ts', 'commit/collect.ts', 'compact/intents.ts']
    const expected = [...compaction, ...tables, 'store/metrics.ts', 'store/prefix.ts', 'store/probe.ts', 'store/retry.ts']
    expect(removing.map((file) => file.replaceAll('\\', '/')).sort()).toEqual(expected)
  })
})
