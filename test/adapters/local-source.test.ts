import { describe, expect, it } from 'vitest'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { withoutPassed } from '../../src/source/source.ts'
import { messagesOf } from '../../src/batch/view.ts'
import type { EncodedBlock } from '../../src/encode/block.ts'
import { collectLanes, numbered, ownedBy, readToEnd, sourceContract, variedMessages } from '../contract/source.ts'
import { until } from '../live/until.ts'
import { temporaryLog, toAppend, valuesOf } from './local-fixtures.ts'

sourceContract('local', async () => {
  const { log, [Symbol.asyncDispose]: dispose } = await temporaryLog({ lookups: ['key', 'header:repeated'] })
  return {
    keepsIds: true,
    createTopic: async (topic, partitions) => void (await log.createTopic(topic, { partitions })),
    produce: async (topic, messages) => void (await log.append(topic, toAppend(messages))),
    openSource: (options) => openLocalSource(log, options),
    [Symbol.asyncDispose]: dispose,
  }
})

const running = () => new AbortController().signal

describe('local source', () => {
  it('hands a large row over as it is, and gathers small ones', async () => {
    await using fixture = await temporaryLog({ lookups: ['key'] })
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1 })
    await log.append('orders', toAppend(numbered(0, 20_000, String)))
    for (let number = 20_000; number < 20_050; number++) await log.append('orders', toAppend(numbered(number, number + 1)))
    const stored = log.parts.reader.read(log.parts.reader.topic('orders')!.partitionKeys[0]!, 0, 1)!.rows[0]!
    await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    const blocks: EncodedBlock[] = []
    const request = { codec: 'zstandard', lookups: ['key'] } as const
    for await (const block of withoutPassed(source.readBlocks!(lanes[0]!, 0, request, stop.signal))) {
      blocks.push(block)
      if (block.lastPosition === 20_049) stop.abort()
    }
    await done
    expect(blocks.map(({ count }) => count)).toEqual([20_000, 50])
    expect(Buffer.from(blocks[0]!.bytes).equals(stored.bytes)).toBe(true)
    expect(blocks[0]!.filters[0]!.field).toBe('key')
  })

  it('gives few small blocks where messages come one by one', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1 })
    await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm', smallBlockMs: 300 })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    const counts: number[] = []
    const request = { codec: 'zstandard', lookups: [] } as const
    const startMs = performance.now()
    const reading = (async () => {
      for await (const block of withoutPassed(source.readBlocks!(lanes[0]!, 0, request, stop.signal))) {
        counts.push(block.count)
        if (block.lastPosition === 199) stop.abort()
      }
    })()
    for (let number = 0; number < 200; number++) await log.append('orders', toAppend(numbered(number, number + 1)))
    await reading
    await done
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(200)
    expect(counts.length).toBeLessThanOrEqual((performance.now() - startMs) / 300 + 2)
  })

  it('says what is gone, and what never was', async () => {
    await using fixture = await temporaryLog({ nowMs: () => 1000 })
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1, retentionMs: 10 })
    await log.append('orders', toAppend(numbered(0, 5)))
    await log.applyRetention(2000)
    await log.append('orders', toAppend(numbered(5, 8)))
    await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    expect(lanes[0]!.startPosition).toBe(5)
    const first = (position: number) => source.read(lanes[0]!, position, running())[Symbol.asyncIterator]().next()
    await expect(first(4)).rejects.toMatchObject({ code: 'POSITION_GONE', details: { oldest: 5 } })
    await expect(first(9)).rejects.toMatchObject({ code: 'POSITION_INVALID' })
    expect(valuesOf(await readToEnd(source, lanes[0]!, 5))).toEqual(['5', '6', '7'])
    stop.abort()
    await done
  })

  it('starts at what the group acknowledged, where that is asked for', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1 })
    await log.append('orders', toAppend(numbered(0, 10)))
    const startOf = async (start: 'oldest' | 'acknowledged', acknowledge?: number) => {
      await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm', start })
      const stop = new AbortController()
      const { lanes, done } = collectLanes(source, stop.signal)
      await until(() => lanes.length === 1, 'the lane')
      if (acknowledge !== undefined) await source.acknowledge(lanes[0]!, acknowledge)
      stop.abort()
      await done
      return lanes[0]!.startPosition
    }
    expect(await startOf('acknowledged', 6)).toBe(0)
    expect(await startOf('acknowledged', 4)).toBe(6)
    expect(await startOf('acknowledged')).toBe(6)
    expect(await startOf('oldest')).toBe(0)
  })

  it('keeps a revoked lane from the next member until what was read is acknowledged', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 4 })
    for (let number = 0; number < 40; number++) await log.append('orders', toAppend(numbered(number, number + 1, String)))
    const stop = new AbortController()
    await using first = openLocalSource(log, { topics: ['orders'], group: 'g', member: 'a' })
    const one = collectLanes(first, stop.signal)
    await until(() => one.lanes.length === 4, 'all lanes')
    const read = new Map<string, number>()
    const readings = one.lanes.map(async (lane) => {
      for await (const batch of withoutPassed(first.read(lane, 0, stop.signal))) {
        for (const { position } of messagesOf(batch)) read.set(lane.lane, position + 1)
      }
    })
    await until(() => [...read.values()].reduce((sum, count) => sum + count, 0) === 40, 'all messages read')
    await using second = openLocalSource(log, { topics: ['*'], group: 'g', member: 'b' })
    const two = collectLanes(second, stop.signal)
    await until(() => ownedBy(one.lanes).length === 2, 'two lanes to be taken away')
    const lost = one.lanes.find(({ lane }) => lane === '2')!
    expect(lost.revoked.aborted).toBe(true)
    // Lanes are shared anew: were the lost one free, the second member had it now.
    await log.createTopic('of-the-second', { partitions: 1 })
    await until(() => two.lanes.some(({ topic }) => topic === 'of-the-second'), 'another round of sharing')
    expect(two.lanes.map(({ topic }) => topic)).toEqual(['of-the-second'])
    await first.acknowledge(lost, read.get(lost.lane)!)
    await until(
      () => two.lanes.some(({ topic, lane }) => topic === 'orders' && lane === lost.lane),
      'the lane at the second member',
    )
    stop.abort()
    await Promise.all([one.done, two.done, ...readings])
  })

  it('gives the lanes of a silent member to others when its session ends', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 4 })
    const { writer } = log.parts
    const nowMs = Number(process.hrtime.bigint() / 1_000_000n)
    const member = {
      group: 'g',
      member: 'gone',
      session: 's',
      joining: true,
      patterns: ['*'],
      nowMs,
      generation: -1,
      released: [],
    }
    const answer = await writer.run('heartbeat', { ...member, sessionMs: 400, scope: 'elsewhere', pid: 1 })
    expect(answer).toMatchObject({ kind: 'owned', lanes: { length: 4 } })
    await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'alive', heartbeatMs: 50 })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 4, 'all lanes at the member that is alive')
    stop.abort()
    await done
    expect(Number(process.hrtime.bigint() / 1_000_000n) - nowMs).toBeGreaterThanOrEqual(400)
  })

  it('lets a restarted member have its lanes at once, and stops the one it replaces', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 3 })
    const options = { topics: ['*'], group: 'g', member: 'm', heartbeatMs: 50 }
    const stop = new AbortController()
    await using old = openLocalSource(log, options)
    const before = collectLanes(old, stop.signal)
    before.done.catch(() => undefined)
    await until(() => before.lanes.length === 3, 'the lanes')
    await using fresh = openLocalSource(log, options)
    const after = collectLanes(fresh, stop.signal)
    await until(() => after.lanes.length === 3, 'the lanes again')
    await expect(before.done).rejects.toMatchObject({ code: 'MEMBER_REPLACED' })
    expect(ownedBy(before.lanes)).toEqual([])
    stop.abort()
    await after.done
  })

  it('takes the lanes of a deleted topic away, and gives the new one of that name another identity', async () => {
    await using fixture = await temporaryLog()
    const { log } = fixture
    await log.createTopic('orders', { partitions: 1 })
    await log.append('orders', toAppend(variedMessages(10)))
    await using source = openLocalSource(log, { topics: ['*'], group: 'g', member: 'm' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 1, 'the lane')
    const reading = Array.fromAsync(source.read(lanes[0]!, 10, running()))
    await log.deleteTopic('orders')
    expect(await reading).toEqual([])
    expect(lanes[0]!.revoked.aborted).toBe(true)
    expect(await source.range(lanes[0]!)).toBeUndefined()
    await log.createTopic('orders', { partitions: 1 })
    await until(() => lanes.length === 2, 'the new lane')
    expect(lanes[1]!.topicId).not.toBe(lanes[0]!.topicId)
    stop.abort()
    await done
  })
})
