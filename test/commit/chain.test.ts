import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { type Chain, findChains, openChain, readCommits } from '../../src/commit/chain.ts'
import type { StoredCommit } from '../../src/commit/commit.ts'
import { decodeCommit, encodeCommit } from '../../src/commit/commit-codec.ts'
import { commitKey, genesisKey, parseCommitKey } from '../../src/commit/commit-names.ts'
import { commitKeys } from '../../src/commit/commit-objects.ts'
import { MillpondError } from '../../src/errors.ts'
import type { LaneId } from '../../src/source/lane.ts'
import type { Store } from '../../src/store/store.ts'
import { hashOf } from './arbitrary-commit.ts'
import { draftOf, lane, NO_BYTES } from './drafts.ts'

const open = (store: Store, options: { lane?: LaneId; startPosition?: number; writer?: string; now?: () => number } = {}) =>
  openChain({ store, lane, startPosition: 0, writer: 'w', now: () => 1000, ...options })

const append = (chain: Chain, count: number) =>
  chain.append(draftOf(chain.folder, chain.nextPosition, chain.nextPosition + count))

const read = (store: Store, folder = 'orders/0', after?: { nextPosition: number; sha256: string }) =>
  Array.fromAsync(readCommits(store, folder, { after }))

const keysOf = async (store: Store, prefix = '') => (await Array.fromAsync(store.list(prefix))).map(({ key }) => key)

const failing = (code: string, message?: string) =>
  expect.objectContaining(message === undefined ? { code } : { code, message: expect.stringContaining(message) })

/** A store with three commits after genesis. */
async function filled(): Promise<{ store: Store; chain: Chain; commits: StoredCommit[] }> {
  const store = createMemoryStore()
  const chain = await open(store, { startPosition: 5 })
  for (const count of [3, 1, 10]) await append(chain, count)
  return { store, chain, commits: await read(store) }
}

describe('names of commits', () => {
  it('sort newest first, with genesis last', () => {
    const positions = [0, 1, 9, 10, 99, 100, 2 ** 31, 2 ** 52, Number.MAX_SAFE_INTEGER]
    const keys = positions.map((position) => commitKey('orders/0', position))
    expect([...keys, genesisKey('orders/0')].sort()).toEqual([...keys.toReversed(), genesisKey('orders/0')])
    expect(keys.map(parseCommitKey)).toEqual(positions)
    expect(keys[2]).toBe('_millpond/orders/0/9007199254740982-9.avro')
    expect(genesisKey('orders/0')).toBe('_millpond/orders/0/genesis.avro')
  })

  it.each([
    '9007199254740982-10.avro',
    '9007199254740982-09.avro',
    '907-9.avro',
    '9007199254740982-9.avro.tmp',
    'Genesis.avro',
    '.DS_Store',
  ])('are not %s', (name) => {
    expect(parseCommitKey(`_millpond/orders/0/${name}`)).toBeUndefined()
  })
})

describe('openChain', () => {
  it('begins a chain with a genesis commit that fixes the first position and the identity of the topic', async () => {
    const store = createMemoryStore()
    const chain = await open(store, { startPosition: 7 })
    expect(chain).toMatchObject({ lane, folder: 'orders/0', nextPosition: 7, headSha256: chain.genesis.sha256 })
    const object = await store.read('_millpond/orders/0/genesis.avro')
    expect(decodeCommit(genesisKey('orders/0'), object)).toEqual(chain.genesis)
    expect(chain.genesis).toMatchObject({
      ...lane,
      kind: 'genesis',
      firstPosition: 7,
      nextPosition: 7,
      writer: 'w',
      timeMs: 1000,
    })
    expect(await keysOf(store)).toEqual(['_millpond/orders/0/genesis.avro'])
  })

  it('lets two first writers begin at the same position, whichever of them wins', async () => {
    const store = createMemoryStore()
    const chains = await Promise.all(
      [3, 8, 5].map((startPosition) => open(store, { startPosition, writer: `w${startPosition}` })),
    )
    expect(new Set(chains.map(({ nextPosition }) => nextPosition)).size).toBe(1)
    expect(new Set(chains.map(({ genesis }) => genesis.sha256)).size).toBe(1)
    expect(await keysOf(store)).toHaveLength(1)
  })

  it('takes over at the newest commit, whatever start position it is given', async () => {
    const { store, chain } = await filled()
    const taken = await open(store, { startPosition: 0 })
    expect(taken).toMatchObject({ nextPosition: 19, headSha256: chain.headSha256, genesis: { firstPosition: 5 } })
  })

  it('asks for one object when it lists', async () => {
    const { store } = await filled()
    const limits: (number | undefined)[] = []
    await open({ ...store, list: (prefix, options) => (limits.push(options?.limit), store.list(prefix, options)) })
    expect(limits).toEqual([1])
  })

  it('goes over names of others that lie before the newest commit', async () => {
    const { store } = await filled()
    for (const name of ['.DS_Store', '0000000000000000-5.avro', '0/9007199254740972-19.avro'])
      await store.put(`_millpond/orders/0/${name}`, NO_BYTES)
    expect(await open(store)).toMatchObject({ nextPosition: 19 })
  })

  it('gives a topic that was deleted and made again a chain and a data folder of its own', async () => {
    const { store } = await filled()
    const again = { ...lane, topicId: 'id-2' }
    const chain = await open(store, { lane: again })
    const folder = `orders@${hashOf('id-2').slice(0, 16)}/0`
    expect(chain).toMatchObject({ lane: again, folder, nextPosition: 0, genesis: { topicId: 'id-2' } })
    await append(chain, 2)
    expect(await open(store, { lane: again })).toMatchObject({ folder, nextPosition: 2 })
    expect(await open(store)).toMatchObject({ folder: 'orders/0', nextPosition: 19 })
  })

  it('never lets a topic be named so that it lands in the folders of another', async () => {
    const store = createMemoryStore()
    const topics = ['orders', `orders@${hashOf('id-2').slice(0, 16)}`, '_millpond', 'orders/0', '../orders', 'genesis.avro', '']
    const named = topics.filter((topic) => topic !== '')
    const chains = await Promise.all(named.map((topic) => open(store, { lane: { ...lane, topic } })))
    const folders = new Set(chains.map(({ folder }) => folder))
    expect(folders.size).toBe(named.length)
    expect([...folders].filter((folder) => folder.startsWith('_millpond') || folder.includes('..'))).toEqual([])
    expect(folders).not.toContain((await open(store, { lane: { ...lane, topicId: 'id-2' } })).folder)
  })

  it('refuses a folder with commits whose genesis is missing', async () => {
    const { store } = await filled()
    await store.delete(genesisKey('orders/0'))
    await expect(open(store)).rejects.toThrow(failing('CHAIN_BROKEN', 'genesis.avro'))
  })

  it('refuses a newest commit that is torn, and one of another lane', async () => {
    const { store, chain, commits } = await filled()
    const { key } = commits.at(-1)!
    const object = await store.read(key)
    await store.put(key, object.subarray(0, object.length - 1))
    await expect(open(store)).rejects.toThrow(failing('COMMIT_CORRUPT', key))
    const { lookupBytes: _, ...commit } = commits.at(-1)!
    await store.put(key, encodeCommit({ ...commit, lane: '1' }, NO_BYTES))
    await expect(open(store)).rejects.toThrow(failing('CHAIN_BROKEN', key))
    await store.put(key, object)
    expect(await open(store)).toMatchObject({ headSha256: chain.headSha256 })
  })

  it('begins a chain though the answer to its genesis is lost', async () => {
    const store = createMemoryStore()
    const chain = await open(answerLost(store))
    expect(chain.genesis.writer).toBe('w')
    await expect(open(refused(createMemoryStore()))).rejects.toThrow(failing('STORE_UNAVAILABLE'))
  })
})

const unavailable = () => new MillpondError('STORE_UNAVAILABLE', 'no answer')

/** A store whose put-if-absent does its work and then fails. */
const answerLost = (store: Store): Store => ({
  ...store,
  putIfAbsent: async (key, bytes) => {
    await store.putIfAbsent(key, bytes)
    throw unavailable()
  },
})

/** A store whose put-if-absent fails. */
const refused = (store: Store): Store => ({ ...store, putIfAbsent: () => Promise.reject(unavailable()) })

describe('append', () => {
  it('links each commit to the one before by position and hash', async () => {
    const { store, chain, commits } = await filled()
    expect(commits.map(({ firstPosition, nextPosition }) => [firstPosition, nextPosition])).toEqual([
      [5, 5],
      [5, 8],
      [8, 9],
      [9, 19],
    ])
    for (const [i, commit] of commits.entries()) {
      expect(commit.previousSha256).toBe(i === 0 ? '' : commits[i - 1]!.sha256)
      expect(hashOf(await store.read(commit.key))).toBe(commit.sha256)
    }
    expect(chain.headSha256).toBe(commits.at(-1)!.sha256)
  })

  it('lets exactly one of two writers win, and moves the other to the newest commit', async () => {
    const { store, chain: first } = await filled()
    const second = await open(store, { writer: 'x' })
    expect(await append(first, 4)).toMatchObject({ outcome: 'committed', commit: { writer: 'w', nextPosition: 23 } })
    expect(await append(first, 4)).toMatchObject({ outcome: 'committed' })
    expect(await second.append(draftOf(second.folder, 19, 21, 'x'))).toEqual({ outcome: 'lost' })
    expect(second).toMatchObject({ nextPosition: 27, headSha256: first.headSha256 })
    expect(await append(second, 1)).toMatchObject({ outcome: 'committed', commit: { writer: 'x', firstPosition: 27 } })
    expect(await read(store)).toHaveLength(7)
  })

  it('settles an answer that was lost by reading the commit: ours is a success', async () => {
    const { store } = await filled()
    const chain = await open(answerLost(store))
    expect(await append(chain, 2)).toMatchObject({ outcome: 'committed', commit: { nextPosition: 21 } })
    expect(chain.nextPosition).toBe(21)
  })

  it('settles an answer that was lost by reading the commit: any other is a lost race', async () => {
    const { store, chain: winner } = await filled()
    const chain = await open(answerLost(store), { writer: 'x' })
    await append(winner, 3)
    expect(await append(chain, 2)).toEqual({ outcome: 'lost' })
    expect(chain.nextPosition).toBe(22)
  })

  it('fails where the store did not take the commit, and may be called again', async () => {
    const { store } = await filled()
    let isDown = true
    const chain = await open({ ...store, putIfAbsent: (...call) => (isDown ? refused(store) : store).putIfAbsent(...call) })
    await expect(append(chain, 2)).rejects.toThrow(failing('STORE_UNAVAILABLE'))
    isDown = false
    expect(await append(chain, 2)).toMatchObject({ outcome: 'committed', commit: { firstPosition: 19 } })
  })

  it('takes its own commit for a success when the request was repeated below it', async () => {
    const { store } = await filled()
    const repeating: Store = {
      ...store,
      putIfAbsent: async (...call) => (await store.putIfAbsent(...call), store.putIfAbsent(...call)),
    }
    const chain = await open(repeating)
    expect(await append(chain, 2)).toMatchObject({ outcome: 'committed' })
  })

  it('takes its own earlier attempt that arrives late for another commit, for what that covers is in the archive', async () => {
    const { store } = await filled()
    let late: Promise<unknown> | undefined
    let nowMs = 1000
    const chain = await open(
      {
        ...store,
        putIfAbsent: async (...call) => {
          if (late !== undefined) return store.putIfAbsent(...call)
          late = Promise.resolve(call)
          throw unavailable()
        },
      },
      { now: () => nowMs++ },
    )
    await expect(append(chain, 2)).rejects.toThrow(failing('STORE_UNAVAILABLE'))
    await store.putIfAbsent(...((await late) as Parameters<Store['putIfAbsent']>))
    expect(await append(chain, 2)).toEqual({ outcome: 'lost' })
    expect(chain.nextPosition).toBe(21)
  })

  it('commits though the clock goes back', async () => {
    const store = createMemoryStore()
    const times = [3000, 2000, 1000]
    const chain = await open(store, { now: () => times.shift()! })
    await append(chain, 1)
    await append(chain, 1)
    expect((await read(store)).map(({ timeMs }) => timeMs)).toEqual([3000, 2000, 1000])
  })

  it('refuses a draft that does not account for its positions, or does not rise', async () => {
    const { store, chain } = await filled()
    const draft = draftOf(chain.folder, 19, 25)
    const invalid = failing('POSITION_INVALID')
    await expect(chain.append({ ...draft, nextPosition: 26 })).rejects.toThrow(invalid)
    await expect(chain.append({ ...draft, nextPosition: 24 })).rejects.toThrow(invalid)
    await expect(chain.append({ ...draft, segments: [], nextPosition: 19 })).rejects.toThrow(invalid)
    await expect(chain.append(draftOf(chain.folder, 20, 25))).rejects.toThrow(invalid)
    expect(await read(store)).toHaveLength(4)
    expect(await chain.append(draft)).toMatchObject({ outcome: 'committed' })
  })

  it('refuses a segment that is named for a position before the commit', async () => {
    const { chain } = await filled()
    const draft = draftOf(chain.folder, 19, 25)
    const key = 'orders/0/0000000000000018-w.avro'
    await expect(chain.append({ ...draft, segments: [{ ...draft.segments[0]!, key }] })).rejects.toThrow(
      failing('POSITION_INVALID', key),
    )
  })

  it('records gaps and dead letters', async () => {
    const { store, chain } = await filled()
    const gaps = [{ firstPosition: 19, nextPosition: 1019, missing: 999, reason: 'expired' as const }]
    const deadLetters = [{ position: 500, reason: 'no UTF-8' }]
    await chain.append({ nextPosition: 1019, segments: [], gaps, deadLetters, lookupBytes: NO_BYTES })
    expect((await read(store)).at(-1)).toMatchObject({ gaps, deadLetters, firstPosition: 19, nextPosition: 1019 })
  })

  it('stops at a winner that does not follow the head', async () => {
    const { store, chain, commits } = await filled()
    const strange = {
      ...commits.at(-1)!,
      firstPosition: 19,
      nextPosition: 20,
      previousSha256: hashOf('x'),
      segments: draftOf('orders/0', 19, 20).segments,
    }
    await store.put(commitKey('orders/0', 19), encodeCommit(strange, NO_BYTES))
    await expect(append(chain, 2)).rejects.toThrow(failing('CHAIN_BROKEN', '-19.avro'))
  })

  it('does not go on when the signal aborts, and finds out at the next call', async () => {
    const { store } = await filled()
    const chain = await open(answerLost(store))
    await expect(chain.append(draftOf(chain.folder, 19, 21), AbortSignal.abort())).rejects.toThrow('no answer')
    expect(chain.nextPosition).toBe(19)
    expect(await append(chain, 2)).toMatchObject({ outcome: 'committed' })
  })
})

describe('readCommits', () => {
  it('gives all commits oldest first, and only the newer ones after a known one', async () => {
    const { store, commits } = await filled()
    expect(commits[0]!.kind).toBe('genesis')
    for (const [i, after] of commits.entries()) expect(await read(store, 'orders/0', after)).toEqual(commits.slice(i + 1))
    expect(await read(store, 'orders/1')).toEqual([])
    expect(await Array.fromAsync(commitKeys(store, 'orders/0'))).toEqual(commits.map(({ key }) => key).toReversed())
  })

  it('finds a commit that is missing, in the middle and at the beginning', async () => {
    const { store, commits } = await filled()
    const object = await store.read(commits[1]!.key)
    await store.delete(commits[1]!.key)
    await expect(read(store)).rejects.toThrow(failing('CHAIN_BROKEN', commits[2]!.key))
    await expect(read(store, 'orders/0', commits[0])).rejects.toThrow(failing('CHAIN_BROKEN', commits[2]!.key))
    await store.put(commits[1]!.key, object)
    await store.delete(commits[0]!.key)
    await expect(read(store)).rejects.toThrow(failing('CHAIN_BROKEN', 'genesis.avro'))
  })

  it('finds a commit that was replaced by another that is whole', async () => {
    const { store, commits } = await filled()
    const { lookupBytes: _, ...commit } = commits[2]!
    await store.put(commits[2]!.key, encodeCommit({ ...commit, timeMs: 1 }, NO_BYTES))
    await expect(read(store)).rejects.toThrow(failing('CHAIN_BROKEN', commits[3]!.key))
    await expect(read(store, 'orders/0', commits[1])).rejects.toThrow(failing('CHAIN_BROKEN', commits[3]!.key))
  })

  it('reads a long chain in order while it grows', async () => {
    const store = createMemoryStore()
    const chain = await open(store)
    for (let i = 0; i < 30; i++) await append(chain, 1)
    let count = 0
    for await (const commit of readCommits(store, chain.folder)) {
      expect(commit.nextPosition).toBe(count++)
      if (count === 10) await append(chain, 1)
    }
    expect(count).toBe(31)
  })
})

describe('findChains', () => {
  it('finds every lane, and those of one topic or lane, made again or not', async () => {
    const store = createMemoryStore()
    const topics = ['orders', 'orders-eu', 'a/b', 'x'.repeat(600)]
    const lanes = topics.flatMap((topic) => ['0', '1', 'receiver 7'].map((name) => ({ topic, topicId: topic, lane: name })))
    const again = { topic: 'orders', topicId: 'again', lane: '1' }
    for (const one of [...lanes, again]) await open(store, { lane: one })
    const found = async (filter?: { topic?: string; lane?: string }) =>
      (await Array.fromAsync(findChains(store, filter))).map(({ lane }) => lane)
    const sorted = (list: readonly LaneId[]) => list.map((one) => JSON.stringify([one.topic, one.topicId, one.lane])).sort()
    expect(sorted(await found())).toEqual(sorted([...lanes, again]))
    expect(sorted(await found({ topic: 'orders' }))).toEqual(sorted([...lanes.filter(({ topic }) => topic === 'orders'), again]))
    expect(sorted(await found({ topic: topics[3]!, lane: '1' }))).toEqual(
      sorted([{ topic: topics[3]!, topicId: topics[3]!, lane: '1' }]),
    )
    expect(await found({ topic: 'order' })).toEqual([])
  })

  it('refuses a chain that lies in the folder of another lane', async () => {
    const { store } = await filled()
    await store.put(genesisKey('orders/1'), await store.read(genesisKey('orders/0')))
    await expect(Array.fromAsync(findChains(store))).rejects.toThrow(failing('CHAIN_BROKEN', '_millpond/orders/1/genesis.avro'))
  })
})
