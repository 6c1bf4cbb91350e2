import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SegmentIndex, SegmentQuery } from '../../src/index/segment-index.ts'
import { addAll, chainOf, dumpOf, rewriteOf, segmentsOf } from '../index/chains.ts'

const orders = { topic: 'orders', topicId: 'id-1', lane: '0' }
const hour = 3_600_000
const plain = (count: number, minTimestamp: number, maxTimestamp = minTimestamp + hour) => ({
  segments: [{ count, minTimestamp, maxTimestamp, blocks: 3 }],
})

/** What every index must do. Each `open` gives another way into the same index, which is empty when it is set up. */
export function segmentIndexContract(
  name: string,
  setup: () => Promise<{ open: () => Promise<SegmentIndex>; remove: () => Promise<void> }>,
) {
  describe(`segment index: ${name}`, () => {
    let place: Awaited<ReturnType<typeof setup>>
    let index: SegmentIndex
    beforeEach(async () => {
      place = await setup()
      index = await place.open()
    })
    afterEach(async () => {
      await index[Symbol.asyncDispose]()
      await place.remove()
    })

    it('is empty at first', async () => {
      expect(await dumpOf(index)).toEqual({ lanes: [], segments: [] })
      expect(await index.lane(orders)).toBeUndefined()
    })

    it('gives back every field of a segment, filters counted from the beginning of the commit object', async () => {
      const [genesis, commit] = chainOf(orders, 40, [
        { segments: [{ ...plain(30, -5).segments[0]!, layout: { date: '2026-01-02', 'é"': '%' } }] },
      ])
      expect(await index.add(genesis!)).toBe('added')
      expect(await index.add(commit!)).toBe('added')
      const { lookups, siblings: _, ...entry } = commit!.segments[0]!
      const moved = lookups.map((lookup) => ({ ...lookup, offset: lookup.offset + commit!.lookupStart }))
      expect(await segmentsOf(index, {})).toEqual([{ ...entry, lookups: moved, lane: orders, commitKey: commit!.key }])
    })

    it('keeps totals for each lane', async () => {
      const commits = chainOf(orders, 7, [
        { segments: [plain(10, 100).segments[0]!, plain(5, 50, 60).segments[0]!], missing: 4, deadLetters: 2 },
        { segments: [], missing: 3 },
        plain(1, 9_000_000),
      ])
      await addAll(index, commits)
      const head = commits.at(-1)!
      const bytes = commits.flatMap((commit) => commit.segments).reduce((sum, segment) => sum + segment.bytes, 0)
      expect(await index.lane(orders)).toEqual({
        ...orders,
        firstPosition: 7,
        nextPosition: 32,
        headKey: head.key,
        headSha256: head.sha256,
        commits: 4,
        rewrites: 0,
        rewriteSha256: '',
        segments: 3,
        blocks: 9,
        messages: 16,
        bytes,
        missing: 7,
        deadLettered: 2,
        minTimestamp: 50,
        maxTimestamp: 9_000_000 + hour,
      })
    })

    it('adds a commit once, however often and from wherever it comes', async () => {
      const commits = chainOf(orders, 0, [plain(10, 0), plain(10, hour)])
      await addAll(index, commits)
      const once = await dumpOf(index)
      const other = await place.open()
      for (const commit of commits) {
        expect(await index.add(commit)).toBe('known')
        expect(await other.add(commit)).toBe('known')
      }
      expect(await dumpOf(other)).toEqual(once)
      await other[Symbol.asyncDispose]()
    })

    it('takes the commits of two followers at once as one chain', async () => {
      const commits = chainOf(
        orders,
        0,
        Array.from({ length: 40 }, (_, i) => plain(10, i * hour)),
      )
      const other = await place.open()
      await Promise.all([addAll(index, commits), addAll(other, commits)])
      expect(await index.lane(orders)).toMatchObject({ commits: 41, messages: 400 })
      expect(await dumpOf(other)).toEqual(await dumpOf(index))
      await other[Symbol.asyncDispose]()
    })

    it('refuses a commit that does not follow, and stays as it was', async () => {
      const [genesis, first, second, third] = chainOf(orders, 0, [plain(10, 0), plain(10, hour), plain(10, 2 * hour)])
      const refused = expect.objectContaining({ code: 'INDEX_GAP' })
      await expect(index.add(first!)).rejects.toEqual(refused)
      await addAll(index, [genesis!, first!])
      const before = await dumpOf(index)
      await expect(index.add(third!)).rejects.toEqual(refused)
      await expect(index.add({ ...second!, previousSha256: third!.sha256 })).rejects.toEqual(refused)
      await expect(index.add({ ...first!, sha256: third!.sha256 })).rejects.toEqual(refused)
      await expect(index.add({ ...genesis!, sha256: third!.sha256 })).rejects.toEqual(refused)
      expect(await dumpOf(index)).toEqual(before)
    })

    it('orders lanes by topic, topic id and lane, numbers by their value, and segments by lane and position', async () => {
      const ids = [
        { topic: 'b', topicId: 'x', lane: '0' },
        { topic: 'a', topicId: 'y', lane: 'worker-1' },
        { topic: 'a', topicId: 'y', lane: '10' },
        { topic: 'a', topicId: 'y', lane: '9' },
        { topic: 'a', topicId: 'x', lane: '0' },
        { topic: 'a\0/../😀', topicId: 'x', lane: '0' },
      ]
      for (const id of ids) await addAll(index, chainOf(id, 0, [plain(5, 0), plain(5, hour)]))
      const names = ['a x 0', 'a y 9', 'a y 10', 'a y worker-1', 'a\0/../😀 x 0', 'b x 0']
      const nameOf = (id: { topic: string; topicId: string; lane: string }) => `${id.topic} ${id.topicId} ${id.lane}`
      expect((await index.lanes()).map(nameOf)).toEqual(names)
      expect((await index.lanes('a')).map(nameOf)).toEqual(names.slice(0, 4))
      const segments = await segmentsOf(index, {})
      expect(segments.map((segment) => `${nameOf(segment.lane)} ${segment.firstPosition}`)).toEqual(
        names.flatMap((name) => [`${name} 0`, `${name} 5`]),
      )
    })

    it.each<{ query: SegmentQuery; first: number[] }>([
      { query: {}, first: [100, 110, 120, 130, 140, 150] },
      { query: { positions: { from: 110 } }, first: [110, 120, 130, 140, 150] },
      { query: { positions: { from: 109, to: 110 } }, first: [100] },
      { query: { positions: { from: 119, to: 121 } }, first: [110, 120] },
      { query: { positions: { to: 100 } }, first: [] },
      { query: { positions: { from: 160 } }, first: [] },
      { query: { timestamps: { from: 1000 } }, first: [110, 120, 140] },
      { query: { timestamps: { from: 999 } }, first: [100, 110, 120, 130, 140] },
      { query: { timestamps: { to: 1000 } }, first: [100, 130, 150] },
      { query: { timestamps: { from: 400, to: 500 } }, first: [100, 130] },
      { query: { timestamps: { from: 1500, to: 1501 }, positions: { from: 115 } }, first: [120] },
      { query: { layout: { region: 'eu' } }, first: [110, 140] },
      { query: { layout: { region: 'eu', day: '2' } }, first: [140] },
      { query: { layout: { constructor: '' } }, first: [] },
      { query: { lanes: ['1'] }, first: [] },
      { query: { lanes: ['1', '0'], topic: 'orders', topicId: 'id-1' }, first: [100, 110, 120, 130, 140, 150] },
      { query: { topic: 'orders', topicId: 'id-2' }, first: [] },
      { query: { topic: 'order' }, first: [] },
    ])('finds for $query the segments $first', async ({ query, first }) => {
      const segment = (minTimestamp: number, maxTimestamp: number, layout: Record<string, string> = {}) => ({
        segments: [{ count: 10, minTimestamp, maxTimestamp, layout }],
      })
      await addAll(
        index,
        chainOf(orders, 100, [
          segment(0, 999),
          segment(1000, 1499, { region: 'eu', day: '1' }),
          segment(1500, 2000),
          // The clock went back.
          segment(400, 999, { region: 'us' }),
          segment(2500, 3000, { region: 'eu', day: '2' }),
          segment(-5, -5),
        ]),
      )
      expect((await segmentsOf(index, query)).map((found) => found.firstPosition)).toEqual(first)
    })

    it('finds by position the segments of one commit that lie across each other', async () => {
      const [genesis, commit] = chainOf(orders, 0, [{ segments: [plain(10, 0).segments[0]!, plain(10, 0).segments[0]!] }])
      const [even, odd] = commit!.segments
      const across = [
        { ...even!, lastPosition: 18 },
        { ...odd!, firstPosition: 1, lastPosition: 19 },
      ]
      await addAll(index, [genesis!, { ...commit!, segments: across }])
      const found = await segmentsOf(index, { positions: { from: 15 } })
      expect(found.map((segment) => segment.firstPosition)).toEqual([0, 1])
    })

    it('gives more segments than one page holds, each once', async () => {
      await addAll(
        index,
        chainOf(
          orders,
          0,
          Array.from({ length: 700 }, (_, i) => plain(3, i)),
        ),
      )
      const expected = Array.from({ length: 700 }, (_, i) => i * 3)
      expect((await segmentsOf(index, {})).map((segment) => segment.firstPosition)).toEqual(expected)
      expect(await segmentsOf(index, { timestamps: { from: 0 } })).toHaveLength(700)
    })

    it('puts the segments of a rewrite in the place of others, once, and goes on giving those to who has begun to read', async () => {
      const commits = chainOf(
        orders,
        5,
        Array.from({ length: 300 }, (_, i) => plain(3, i * hour)),
      )
      await addAll(index, commits)
      const all = await segmentsOf(index, {})
      const [reading, whole] = [index.segments({})[Symbol.asyncIterator](), await index.lane(orders)]
      const begun = [(await reading.next()).value!]
      const first = rewriteOf(orders, commits.slice(2, 200), { sequence: 0, previousSha256: '' })
      const second = rewriteOf(orders, [commits[1]!, first, ...commits.slice(200, 280)], {
        sequence: 1,
        previousSha256: first.sha256,
      })
      expect(await index.replace(first)).toBe('added')
      expect(await index.replace(first)).toBe('known')
      const keys = async (query: SegmentQuery) => (await segmentsOf(index, query)).map(({ key, commitKey }) => [key, commitKey])
      const [one, ...later] = [commits[1]!, ...commits.slice(200)]
      const ofCommits = (some: readonly (typeof one)[]) =>
        some.flatMap(({ segments, key }) => segments.map((each) => [each.key, key]))
      expect(await keys({})).toEqual([...ofCommits([one]), [first.segments[0]!.key, first.key], ...ofCommits(later)])
      expect(await keys({ positions: { from: 100, to: 101 } })).toEqual([[first.segments[0]!.key, first.key]])
      expect(await index.replace(second)).toBe('added')
      expect(await keys({})).toEqual([[second.segments[0]!.key, second.key], ...ofCommits(commits.slice(280))])
      for (let next = await reading.next(); !next.done; next = await reading.next()) begun.push(next.value)
      expect(begun).toEqual(all)
      const lane = await index.lane(orders)
      expect(lane).toMatchObject({ rewrites: 2, rewriteSha256: second.sha256, segments: 1 + commits.slice(280).length })
      expect(lane).toMatchObject({ messages: whole!.messages, headSha256: whole!.headSha256, commits: whole!.commits })
      expect(lane!.bytes).toBe((await segmentsOf(index, {})).reduce((sum, { bytes }) => sum + bytes, 0))
      const [newest] = chainOf(orders, lane!.nextPosition, [plain(4, hour)]).slice(1)
      const next = { ...newest!, previousSha256: lane!.headSha256 }
      expect(await index.add(next)).toBe('added')
      expect((await keys({})).at(-1)).toEqual(ofCommits([next])[0])
    })

    it('no longer gives segments that a rewrite removes, and counts their messages as missing', async () => {
      const commits = chainOf(
        orders,
        5,
        Array.from({ length: 300 }, (_, i) => plain(3, i * hour)),
      )
      await addAll(index, commits)
      const whole = (await index.lane(orders))!
      const { segments, ...first } = rewriteOf(orders, commits.slice(1, 280), { sequence: 0, previousSha256: '' })
      expect(await index.replace({ ...first, segments: [] })).toBe('added')
      const kept = commits.slice(280).flatMap((commit) => commit.segments)
      expect((await segmentsOf(index, {})).map(({ key }) => key)).toEqual(kept.map(({ key }) => key))
      expect(await segmentsOf(index, { positions: { from: 5, to: 6 } })).toEqual([])
      const gone = segments[0]!.count
      const lane = await index.lane(orders)
      expect(lane).toMatchObject({ rewrites: 1, messages: whole.messages - gone, missing: whole.missing + gone })
      expect(lane).toMatchObject({ segments: kept.length, nextPosition: whole.nextPosition, headSha256: whole.headSha256 })
      expect(lane!.bytes).toBe(kept.reduce((sum, { bytes }) => sum + bytes, 0))
    })

    it('refuses a rewrite that does not follow, and stays as it was', async () => {
      const commits = chainOf(orders, 5, [plain(3, 0), plain(4, hour), plain(2, hour)])
      const rewrite = rewriteOf(orders, commits.slice(1), { sequence: 0, previousSha256: '' })
      await expect(index.replace(rewrite)).rejects.toMatchObject({ code: 'INDEX_GAP' })
      await addAll(index, commits.slice(0, 3))
      const before = await dumpOf(index)
      await expect(index.replace(rewrite)).rejects.toMatchObject({ code: 'INDEX_GAP' })
      const later = rewriteOf(orders, commits.slice(1, 3), { sequence: 1, previousSha256: rewrite.sha256 })
      await expect(index.replace(later)).rejects.toMatchObject({ code: 'INDEX_GAP' })
      expect(await dumpOf(index)).toEqual(before)
    })

    it('forgets one lane, or everything, and takes it anew', async () => {
      const other = { ...orders, lane: '1' }
      const commits = chainOf(orders, 0, [plain(3, 0)])
      await addAll(index, commits)
      await addAll(index, chainOf(other, 0, [plain(3, 0)]))
      const full = await dumpOf(index)
      await index.clear(orders)
      expect((await index.lanes()).map((lane) => lane.lane)).toEqual(['1'])
      expect(await segmentsOf(index, {})).toHaveLength(1)
      await addAll(index, commits)
      expect(await dumpOf(index)).toEqual(full)
      await index.clear()
      expect(await dumpOf(index)).toEqual({ lanes: [], segments: [] })
    })

    it('knows after reopening what it knew before', async () => {
      await addAll(index, chainOf(orders, 5, [plain(3, 0), plain(4, hour)]))
      const before = await dumpOf(index)
      await index[Symbol.asyncDispose]()
      index = await place.open()
      expect(await dumpOf(index)).toEqual(before)
    })
  })
}
