import { describe, expect, it } from 'vitest'
import { assignLanes } from '../../src/adapters/local/assignment.ts'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { topicMatcher } from '../../src/adapters/local/topic.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { collectLanes, numbered, plain, plainInput, variedMessages } from '../contract/source.ts'
import { until } from '../live/until.ts'
import { readTopic, temporaryLog, toAppend, valuesOf } from './local-fixtures.ts'

const strangeNames = [
  '\ufeffmark',
  'a/b',
  '..',
  '.',
  '../../etc/passwd',
  'nul\0inside',
  '\0',
  '💧 mill',
  '*',
  '%',
  "'; DROP TABLE topics; --",
  'x'.repeat(1024),
]

describe('local log: topics', () => {
  it.each(strangeNames)('takes %j as a name', async (name) => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const made = await log.createTopic(name, { partitions: 1 })
    expect(made.name).toBe(name)
    await log.append(name, toAppend(numbered(0, 3)))
    expect((await log.topics()).map((topic) => topic.name)).toEqual([name])
    expect(valuesOf((await readTopic(log, name)).flat())).toEqual(['0', '1', '2'])
    await log.deleteTopic(name)
    expect(await log.topics()).toEqual([])
  })

  it.each(['', 'x'.repeat(1025), 'é'.repeat(513), 'half \ud83d of a pair'])('refuses %j as a name', async (name) => {
    await using fixture = await temporaryLog()
    await expect(fixture.log.createTopic(name)).rejects.toMatchObject({ code: 'TOPIC_INVALID' })
    await expect(fixture.log.append(name, toAppend(numbered(0, 1)))).rejects.toMatchObject({ code: 'TOPIC_INVALID' })
  })

  it.each([0, -1, 1.5, 1025, NaN])('refuses %d partitions', async (partitions) => {
    await using fixture = await temporaryLog()
    await expect(fixture.log.createTopic('orders', { partitions })).rejects.toMatchObject({ code: 'TOPIC_INVALID' })
  })

  it('refuses a name that is taken, and to delete what is not there', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const topic = await log.createTopic('orders', { partitions: 3, retentionMs: 5 })
    expect(topic).toMatchObject({ partitions: 3, retentionMs: 5, retentionBytes: null })
    await expect(log.createTopic('orders')).rejects.toMatchObject({ code: 'TOPIC_INVALID' })
    await expect(log.deleteTopic('other')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    await expect(log.range('other', '0')).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    for (const lane of ['3', '-1', '00', 'x', ''])
      await expect(log.range('orders', lane)).rejects.toMatchObject({ code: 'LANE_UNKNOWN' })
    expect(await log.range('orders', '2')).toEqual({ oldest: 0, next: 0 })
  })

  it('gives a topic that is made again another identity, and none of the old messages', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const old = await log.createTopic('orders')
    await log.append('orders', toAppend(numbered(0, 2000, String)))
    await log.deleteTopic('orders')
    const fresh = await log.createTopic('orders', { partitions: 1 })
    expect(fresh.topicId).not.toBe(old.topicId)
    await log.append('orders', toAppend(numbered(5, 6)))
    expect((await readTopic(log, 'orders')).map(valuesOf)).toEqual([['5']])
  })

  it('makes topics with their first message, unless told otherwise', async () => {
    await using made = await temporaryLog({ autoCreate: { partitions: 2 } })
    await made.log.append('orders', toAppend(numbered(0, 1)))
    expect(await made.log.topics()).toMatchObject([{ name: 'orders', partitions: 2 }])
    await using strict = await temporaryLog({ autoCreate: false })
    await expect(strict.log.append('orders', toAppend(numbered(0, 1)))).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' })
    expect(await strict.log.topics()).toEqual([])
  })

  it('works with 5,000 topics', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const names = Array.from({ length: 5000 }, (_, i) => `topic-${i}`)
    await Promise.all(names.map((name) => log.append(name, toAppend(numbered(0, 2)))))
    expect(await log.topics()).toHaveLength(5000)
    await using source = openLocalSource(log, { topics: ['topic-*'], group: 'g', member: 'm' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 20_000, '20,000 lanes')
    stop.abort()
    await done
    expect(valuesOf((await readTopic(log, 'topic-4999')).flat())).toEqual(['0', '1'])
  })
})

describe('local log: append', () => {
  it('says where each message went', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 3 })
    const messages = variedMessages(100)
    for (let round = 0; round < 2; round++) {
      const { lanes, rows } = await log.append('orders', toAppend(messages), { rowPositions: true })
      const stored = await readTopic(log, 'orders')
      for (const [row, message] of messages.entries()) {
        const { lane } = lanes[rows!.laneIndex[row]!]!
        const found = stored[Number(lane)]!.find(({ position }) => position === rows!.positions[row])
        expect(plain(found!)).toEqual(plainInput(message))
      }
      for (const { lane, firstPosition, count } of lanes) expect(firstPosition + count).toBe(stored[Number(lane)]!.length)
    }
  })

  it('puts keys where Kafka puts them', async () => {
    await using fixture = await temporaryLog()
    await fixture.log.createTopic('orders', { partitions: 1000 })
    // From Kafka's own UtilsTest: murmur2 of "21" is -973932308, of "foobar" -790332482.
    const lanes = [-973932308, -790332482].map((hash) => String((hash & 0x7fff_ffff) % 1000))
    const appended = await Promise.all(
      ['21', 'foobar'].map((key) => fixture.log.append('orders', toAppend(numbered(0, 1, () => key)))),
    )
    expect(appended.map(({ lanes: [lane] }) => lane!.lane)).toEqual(lanes)
  })

  it('keeps messages without a key together, and takes turns', async () => {
    await using fixture = await temporaryLog()
    await fixture.log.createTopic('orders', { partitions: 3 })
    const used: string[] = []
    for (let i = 0; i < 6; i++) {
      const { lanes } = await fixture.log.append('orders', toAppend(numbered(0, 10, () => null)))
      expect(lanes).toHaveLength(1)
      used.push(lanes[0]!.lane)
    }
    expect(new Set(used).size).toBe(3)
  })

  it('keeps the order of calls that do not wait for each other, whatever their size', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const appends: Promise<unknown>[] = []
    let next = 0
    for (const size of [1, 5000, 1, 1, 20_000, 3, 1, 100_000, 2, 1]) {
      appends.push(log.append('orders', toAppend(numbered(next, next + size))))
      next += size
    }
    expect(log.waitingBytes).toBeGreaterThan(0)
    await Promise.all(appends)
    expect(log.waitingBytes).toBe(0)
    const values = valuesOf((await readTopic(log, 'orders')).flat())
    expect(values.length).toBe(next)
    expect(values.every((value, i) => value === String(i))).toBe(true)
  })

  it('takes all of a batch or nothing', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    const good = toAppend(numbered(0, 10, String))
    const timestamps = good.timestamps.slice()
    timestamps[6] = NaN
    await expect(log.append('orders', { ...good, timestamps })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      details: { row: 6 },
    })
    const named = batchOf([0, 1].map((position) => ({ position, timestamp: 0, headers: [{ name: 'name', value: null }] })))
    const bytes = named.bytes.slice()
    bytes[named.headerNameStart[1]!] = 0xc0
    await expect(log.append('orders', { ...named, bytes })).rejects.toMatchObject({ code: 'INPUT_INVALID', details: { row: 1 } })
    expect(await readTopic(log, 'orders')).toEqual([])
    await log.append('orders', { ...good, timestamps }, { timestampDefaultMs: 77 })
    const stamps = (await readTopic(log, 'orders')).flat().map(({ timestamp }) => timestamp)
    expect(stamps.filter((timestamp) => timestamp === 77)).toHaveLength(1)
    expect(await log.append('orders', toAppend([]))).toEqual({ lanes: [] })
  })

  it('takes what is extreme: empty and null, huge, far times', async () => {
    await using fixture = await temporaryLog({ lookups: ['key'] })
    const { log } = fixture
    const large = 'x'.repeat(100 * 1024 * 1024)
    const sent = [
      { timestamp: Number.MIN_SAFE_INTEGER, key: '', value: '' },
      { timestamp: Number.MAX_SAFE_INTEGER, key: '', value: null },
      { timestamp: 0, key: '', value: large, headers: [{ name: '', value: '' }] },
      { timestamp: -1, key: '', value: 'after', headers: [{ name: 'x'.repeat(1024), value: null }] },
    ]
    await log.append('orders', toAppend(sent))
    const found = (await readTopic(log, 'orders')).flat()
    expect(found.map(({ timestamp }) => timestamp)).toEqual(sent.map(({ timestamp }) => timestamp))
    expect(found[2]!.value!.byteLength).toBe(large.length)
    expect([found[0]!.value, found[1]!.value, found[3]!.headers[0]!.value]).toEqual([
      expect.objectContaining({ length: 0 }),
      null,
      null,
    ])
  })

  it('is there again after it was closed, and refuses to work while it is', async () => {
    await using fixture = await temporaryLog()
    const { log, path } = fixture
    const late = log.append('orders', toAppend(numbered(0, 5)))
    await Promise.all([log.close(), log.close()])
    await late
    await expect(log.append('orders', toAppend(numbered(5, 6)))).rejects.toMatchObject({ code: 'STOPPED' })
    await using again = await openLocalLog({ path })
    await again.append('orders', toAppend(numbered(5, 8)))
    expect(valuesOf((await readTopic(again, 'orders')).flat())).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  it('gives each position once to several logs on one file', async () => {
    await using fixture = await temporaryLog()
    const { log, path } = fixture
    await using other = await openLocalLog({ path })
    const append = async (to: typeof log, prefix: string) => {
      const calls: Promise<unknown>[] = []
      for (let i = 0; i < 300; i++) {
        calls.push(to.append('orders', toAppend([{ timestamp: 0, key: 'k', value: `${prefix}${i}` }])))
        if (i % 7 === 0) await calls.at(-1)
      }
      await Promise.all(calls)
    }
    await Promise.all([append(log, 'a'), append(other, 'b')])
    const values = valuesOf((await readTopic(log, 'orders')).flat())
    for (const prefix of ['a', 'b']) {
      expect(values.filter((value) => value.startsWith(prefix))).toEqual(Array.from({ length: 300 }, (_, i) => `${prefix}${i}`))
    }
    expect(values).toHaveLength(600)
  })

  it('follows a topic that another log deletes and makes anew', async () => {
    await using fixture = await temporaryLog()
    const { log, path } = fixture
    await using other = await openLocalLog({ path })
    await log.append('orders', toAppend(numbered(0, 3)))
    await other.deleteTopic('orders')
    await other.createTopic('orders', { partitions: 1 })
    expect(await log.append('orders', toAppend(numbered(3, 5)))).toEqual({ lanes: [{ lane: '0', firstPosition: 0, count: 2 }] })
    expect((await readTopic(other, 'orders')).map(valuesOf)).toEqual([['3', '4']])
  })
})

describe('local log: retention', () => {
  it('removes whole rows by age, counted from their arrival, and moves the oldest position', async () => {
    let nowMs = 1000
    await using fixture = await temporaryLog({ nowMs: () => nowMs })
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1, retentionMs: 100 })
    await log.createTopic('kept', { partitions: 1 })
    for (const timestamp of [5, 9_999_999]) await log.append('orders', toAppend([{ timestamp, value: 'early' }]))
    await log.append('kept', toAppend(numbered(0, 3)))
    nowMs = 900
    await log.append('orders', toAppend([{ timestamp: 0, value: 'clock went back' }]))
    nowMs = 1090
    await log.append('orders', toAppend([{ timestamp: 0, value: 'late' }]))
    expect(await log.applyRetention(1100)).toEqual({ messages: 0, bytes: 0 })
    expect(await log.applyRetention(500)).toEqual({ messages: 0, bytes: 0 })
    expect(await log.applyRetention(1101)).toMatchObject({ messages: 3 })
    expect(await log.range('orders', '0')).toEqual({ oldest: 3, next: 4 })
    expect(valuesOf((await readTopic(log, 'orders')).flat())).toEqual(['late'])
    expect(await log.range('kept', '0')).toEqual({ oldest: 0, next: 3 })
    await log.applyRetention(5000)
    expect(await log.append('orders', toAppend(numbered(0, 1)))).toMatchObject({ lanes: [{ firstPosition: 4 }] })
  })

  it('removes whole rows past the bytes of a partition', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1, retentionBytes: 3000 })
    for (let i = 0; i < 10; i++) await log.append('orders', toAppend([{ timestamp: 0, value: 'x'.repeat(1000) }]))
    const removed = await log.applyRetention(0)
    expect(removed.messages).toBe(8)
    expect(removed.bytes).toBeGreaterThan(8000)
    expect(await log.range('orders', '0')).toEqual({ oldest: 8, next: 10 })
  })

  it('keeps what a group has not acknowledged, unless the group is gone or not listed', async () => {
    await using fixture = await temporaryLog({ nowMs: () => 0 })
    const { log, path } = fixture
    await log.createTopic('orders', { partitions: 1, retentionMs: 1 })
    for (let i = 0; i < 6; i++) await log.append('orders', toAppend(numbered(i, i + 1)))
    {
      await using source = openLocalSource(log, { topics: ['*'], group: 'archive', member: 'm' })
      const stop = new AbortController()
      const { lanes, done } = collectLanes(source, stop.signal)
      await until(() => lanes.length === 1, 'the lane')
      expect(await log.applyRetention(1000)).toMatchObject({ messages: 0 })
      await source.acknowledge(lanes[0]!, 2)
      stop.abort()
      await done
    }
    expect(await log.applyRetention(1000)).toMatchObject({ messages: 2 })
    await using unknown = await openLocalLog({ path, protectGroups: ['not-here-yet'] })
    expect(await unknown.applyRetention(1000)).toMatchObject({ messages: 0 })
    await using free = await openLocalLog({ path, protectGroups: ['archive'] })
    expect(await free.applyRetention(1000)).toMatchObject({ messages: 0 })
    await log.deleteGroup('archive')
    expect(await log.applyRetention(1000)).toMatchObject({ messages: 4 })
    await log.append('orders', toAppend(numbered(6, 7)))
    await using none = await openLocalLog({ path, protectGroups: [] })
    expect(await none.applyRetention(1000)).toMatchObject({ messages: 1 })
  })
})

describe('topicMatcher', () => {
  it.each([
    { patterns: ['*'], name: 'anything\nat all', matches: true },
    { patterns: ['a.b'], name: 'a.b', matches: true },
    { patterns: ['a.b'], name: 'axb', matches: false },
    { patterns: ['a*'], name: 'ab\nc', matches: true },
    { patterns: ['a*c'], name: 'abcd', matches: false },
    { patterns: ['a*c*'], name: 'abcd', matches: true },
    { patterns: ['x', 'y*'], name: 'yes', matches: true },
    { patterns: ['(', '[a]', '^$'], name: '[a]', matches: true },
    { patterns: ['a-b', '#', '&'], name: 'a-b', matches: true },
    { patterns: [], name: 'a', matches: false },
    { patterns: [''], name: 'a', matches: false },
  ])('says $matches for $name against $patterns', ({ patterns, name, matches }) => {
    expect(topicMatcher(patterns)(name)).toBe(matches)
  })
})

describe('assignLanes', () => {
  const lanes = (count: number, candidates: readonly string[], owner: (lane: number) => string | undefined) =>
    Array.from({ length: count }, (_, lane) => ({ lane, candidates, owner: owner(lane) }))
  const countsOf = (assigned: Map<number, string>) =>
    Object.fromEntries(
      Map.groupBy(assigned.values(), (m) => m)
        .entries()
        .map(([m, all]) => [m, all.length]),
    )

  it('shares evenly', () => {
    expect(countsOf(assignLanes(lanes(10, ['a', 'b', 'c'], () => undefined)))).toEqual({ a: 4, b: 3, c: 3 })
  })
  it('moves no more than it must', () => {
    const assigned = assignLanes(lanes(9, ['a', 'b', 'c'], (lane) => (lane < 5 ? 'a' : 'b')))
    expect(countsOf(assigned)).toEqual({ a: 3, b: 3, c: 3 })
    expect([...assigned].filter(([lane, owner]) => owner === (lane < 5 ? 'a' : 'b'))).toHaveLength(6)
  })
  it('changes nothing where it is even', () => {
    const assigned = assignLanes(lanes(5, ['a', 'b'], (lane) => (lane % 2 === 0 ? 'b' : 'a')))
    expect([...assigned.values()]).toEqual(['b', 'a', 'b', 'a', 'b'])
  })
  it('gives lanes to their candidates only, and to nobody where there is none', () => {
    const mixed = [
      { lane: 1, candidates: ['a'], owner: 'b' },
      { lane: 2, candidates: [], owner: 'a' },
      { lane: 3, candidates: ['a', 'b'], owner: undefined },
    ]
    expect(assignLanes(mixed)).toEqual(
      new Map([
        [1, 'a'],
        [3, 'b'],
      ]),
    )
  })
})
