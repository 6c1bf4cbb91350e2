import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { publicJob, targetTopic } from '../../src/replay/job.ts'
import { planReplay } from '../../src/replay/plan.ts'
import { queryOf, recordQuery } from '../../src/replay/query-record.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { laneOf, openScene } from './archives.ts'

const lanes = [laneOf('orders', '0', 95), laneOf('orders', '1', 30, 1000), laneOf('other', '0', 20)]

describe('planning a replay', () => {
  it('fixes what is replayed and says what the index knows of it', async () => {
    await using scene = await openScene(lanes)
    const job = await scene.plan({ query: { topic: 'orders' }, target: { kind: 'count' } })
    expect(job.parts.map(({ lane, fromPosition, toPosition }) => [lane.lane, fromPosition, toPosition])).toEqual([
      ['0', 0, 95],
      ['1', 1000, 1030],
    ])
    expect(job.planned).toMatchObject({ messages: 125, blocks: 13, segments: 5, exact: true })
    expect(await scene.jobs.get('job-1', Date.now())).toEqual(job)
  })

  it.each<{ query: MessageQuery; messages: number; exact: boolean; positions: number[][] }>([
    {
      query: { positions: { from: 10, to: 40 } },
      messages: 40,
      exact: true,
      positions: [
        [10, 40],
        [10, 20],
      ],
    },
    { query: { topic: 'orders', positions: { from: 10, to: 40 } }, messages: 30, exact: true, positions: [[10, 40]] },
    { query: { topic: 'orders', positions: { from: 15, to: 20 } }, messages: 10, exact: false, positions: [[15, 20]] },
    { query: { lanes: ['1'], key: Uint8Array.of(1) }, messages: 30, exact: false, positions: [[1000, 1030]] },
    {
      query: {
        filter: {
          and: [
            { field: 'topic', test: { equals: new TextEncoder().encode('orders') } },
            {
              or: [
                { field: 'position', test: { lessThan: 10 } },
                { field: 'position', test: { atLeast: 1020 } },
              ],
            },
          ],
        },
      },
      messages: 20,
      exact: true,
      positions: [
        [0, 95],
        [1000, 1030],
      ],
    },
    {
      query: { timestamps: { to: 1_000_010 } },
      messages: 20,
      exact: true,
      positions: [
        [0, 95],
        [1000, 1030],
        [0, 20],
      ],
    },
  ])('counts the blocks that $query may need', async ({ query, messages, exact, positions }) => {
    await using scene = await openScene(lanes)
    const job = await scene.plan({ query, target: { kind: 'count' } })
    expect(job.parts.map(({ fromPosition, toPosition }) => [fromPosition, toPosition])).toEqual(positions)
    expect(job.planned).toMatchObject({ messages, exact })
  })

  it.each([
    [{ query: { topic: 'none' }, target: { kind: 'count' } }, 'TOPIC_UNKNOWN'],
    [{ query: { topic: 'orders', lanes: ['7'] }, target: { kind: 'count' } }, 'LANE_UNKNOWN'],
    [{ query: {}, target: { kind: 'count' }, options: { rateMessagesPerSecond: 0 } }, 'INPUT_INVALID'],
    [{ query: {}, target: { kind: 'count' }, options: { rateMessagesPerSecond: Number.NaN } }, 'INPUT_INVALID'],
    [{ query: {}, target: { kind: 'count' }, options: { split: 0 } }, 'INPUT_INVALID'],
    [{ query: {}, target: { kind: 'count' }, options: { split: 1.5 } }, 'INPUT_INVALID'],
    [{ query: {}, target: { kind: 'file', path: 'x' }, options: { order: 'key' as const } }, 'INPUT_INVALID'],
    [{ query: {}, target: { kind: 'file', path: '-' }, isDetached: true }, 'INPUT_INVALID'],
    [{ query: { topic: 'orders' }, target: { kind: 'local' } }, 'REPLAY_LOOP'],
    [{ query: {}, target: { kind: 'local', topics: { orders: 'new', other: 'orders' } } }, 'REPLAY_LOOP'],
    [{ query: { topic: 'orders' }, target: { kind: 'local', topic: 'other' } }, 'REPLAY_LOOP'],
  ])('refuses %j with %s', async (order, code) => {
    await using scene = await openScene(lanes)
    await expect(planReplay(order, { index: scene.archive.index, id: 'x', nowMs: 1 })).rejects.toMatchObject({ code })
  })

  it.each([
    { query: { topic: 'orders' }, target: { kind: 'local', topic: 'orders' }, options: { allowLoop: true } },
    { query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' } },
    { query: { topic: 'orders' }, target: { kind: 'local', topics: { orders: 'new' } } },
    { query: {}, target: { kind: 'file', path: 'x' } },
    { query: {}, target: { kind: 'local' }, options: { dryRun: true } },
  ])('lets $target with $options pass: nothing comes back unasked', async (order) => {
    await using scene = await openScene(lanes)
    expect((await planReplay(order, { index: scene.archive.index, id: 'x', nowMs: 1 })).parts).not.toEqual([])
  })

  it.each([
    [{ kind: 'local', topic: 'other' }, 'which the archive stores'],
    [{ kind: 'local', topic: 'new-audit' }, 'which the archive stores'],
    [{ kind: 'kafka', topic: 'orders' }, 'which this replay reads'],
  ])('refuses to send to %j what would come back: %s', async (target, why) => {
    await using scene = await openScene(lanes)
    const source = { kind: 'local', archives: (topic: string) => topic.endsWith('-audit') }
    const planned = planReplay({ query: { topic: 'orders' }, target }, { index: scene.archive.index, id: 'x', nowMs: 1, source })
    await expect(planned).rejects.toMatchObject({ code: 'REPLAY_LOOP', message: expect.stringContaining(why) })
  })

  it('lets a topic of another broker have the name of one that is archived', async () => {
    await using scene = await openScene(lanes)
    const source = { kind: 'local', archives: () => true }
    const order = { query: { topic: 'orders' }, target: { kind: 'kafka', topic: 'other' } }
    const { job } = await planReplay(order, { index: scene.archive.index, id: 'x', nowMs: 1, source })
    expect(job).toMatchObject({ workers: 'one', offered: false, requestedBy: null })
  })

  it.each([
    [
      { kind: 'local', topic: 'new' },
      { workers: 'many', offered: true },
    ],
    [
      { kind: 'file', path: '/tmp/x' },
      { workers: 'one', offered: true },
    ],
  ])('offers what is detached to workers: %j', async (target, expected) => {
    await using scene = await openScene(lanes)
    const order = { query: {}, target, isDetached: true, requestedBy: 'ann', note: 'why', key: 'k' }
    const { job } = await planReplay(order, { index: scene.archive.index, id: 'x', nowMs: 1 })
    expect(job).toMatchObject({ ...expected, requestedBy: 'ann', note: 'why', key: 'k' })
  })

  it('takes the topic that the map names, then the one for all, then the own one', () => {
    const target = { kind: 'local', topic: 'all', topics: { a: 'b' } }
    expect(['a', 'x', 'constructor'].map((topic) => targetTopic(target, topic))).toEqual(['b', 'all', 'all'])
    expect(targetTopic({ kind: 'local' }, 'a')).toBe('a')
  })

  it('shows no secret of a job', async () => {
    await using scene = await openScene(lanes)
    const url = 'https://me:hidden@example.test:8443/in?token=hidden#hidden'
    const job = await scene.plan({ query: {}, target: { kind: 'http', url, headers: { authorization: 'hidden' } } })
    const shown = publicJob(job)
    expect(JSON.stringify(shown)).not.toContain('hidden')
    expect(shown.target).toEqual({ kind: 'http', url: 'https://example.test:8443/in', headers: { authorization: '***' } })
    expect(shown.parts).toEqual(job.parts)
  })

  it('keeps a query through JSON', () => {
    const bytes = fc.uint8Array({ maxLength: 10 })
    const range = fc.record({ from: fc.nat(), to: fc.nat() }, { requiredKeys: [] })
    const query = fc.record(
      {
        topic: fc.string(),
        lanes: fc.array(fc.string()),
        positions: range,
        timestamps: range,
        key: bytes,
        id: fc.string(),
        headers: fc.array(fc.record({ name: fc.string(), equals: bytes }, { requiredKeys: ['name'] })),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(query, (original) => {
        expect(queryOf(JSON.parse(JSON.stringify(recordQuery(original))) as ReturnType<typeof recordQuery>)).toEqual(original)
      }),
    )
    expect(() => queryOf({ keyBase64: 'no base64!' })).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
  })
})
