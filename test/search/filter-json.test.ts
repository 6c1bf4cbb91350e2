import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { filterJson, parseFilter } from '../../src/search/filter-json.ts'
import { parseInstant } from '../../src/search/instant.ts'
import { createSelection } from '../../src/search/selection.ts'
import { jsonValues, onceEachRow } from '../../src/values/decoded.ts'

describe('a time', () => {
  it.each([
    { text: '2026-11-21T08:00:00Z', ms: Date.UTC(2026, 10, 21, 8) },
    { text: '2026-11-21t09:30:00.5+01:30', ms: Date.UTC(2026, 10, 21, 8, 0, 0, 500) },
    { text: '2026-11-20 22:00-1000', ms: Date.UTC(2026, 10, 21, 8) },
    { text: '2026-11-21T08:00:00,0005z', ms: Date.UTC(2026, 10, 21, 8) + 0.5 },
    { text: '2026-11-21', ms: Date.UTC(2026, 10, 21) },
    { text: '2024-02-29T23:59:60Z', ms: Date.UTC(2024, 2, 1) },
    { text: '0000-01-01T00:00:00Z', ms: -62_167_219_200_000 },
    { text: '1795248000000', ms: 1_795_248_000_000 },
    { text: '-5', ms: -5 },
    { text: '2026-11-21T08:00:00', ms: undefined },
    { text: '2026-02-30', ms: undefined },
    { text: '2026-13-01', ms: undefined },
    { text: '2026-11-21T24:00:00Z', ms: undefined },
    { text: '2026-11-21T08:00:00+24:00', ms: undefined },
    { text: '26-11-21T08:00:00Z', ms: undefined },
    { text: '', ms: undefined },
    { text: '9999999999999999', ms: undefined },
  ])('$text is $ms', ({ text, ms }) => {
    expect(parseInstant(text)).toBe(ms)
  })
})

describe('a filter in JSON', () => {
  it.each([
    { and: [{ field: 'topic', in: ['a', 'b'] }, { not: { field: 'lane', equals: '0' } }] },
    {
      or: [
        { field: 'header:a=b', prefix: 'x' },
        { field: 'key', equals: { base64: '/w==' } },
      ],
    },
    { field: 'position', gt: 5, lte: 9 },
    { field: 'timestamp', gte: 1.5 },
    { field: 'id', exists: false },
    { jq: '.a.b[0] > 5' },
  ])('is the same when it is written again: %j', (json) => {
    expect(filterJson(parseFilter(json))).toEqual(json)
  })

  it('may test a field in several ways at once', () => {
    expect(parseFilter({ field: 'key', prefix: 'a', lt: 'ab' })).toEqual(
      parseFilter({
        and: [
          { field: 'key', prefix: 'a' },
          { field: 'key', lt: 'ab' },
        ],
      }),
    )
  })

  it('keeps what JSON calls by strange names', () => {
    const json: unknown = JSON.parse('{"field":"header:__proto__","equals":"x"}')
    expect(filterJson(parseFilter(json))).toEqual(json)
    expect(() => parseFilter(JSON.parse('{"__proto__":{"and":[]}}'))).toThrow(expect.objectContaining({ code: 'INPUT_INVALID' }))
  })
})

describe('programs over values', () => {
  const lane = { topic: 't', topicId: '1', lane: '0' }
  const { signal } = new AbortController()
  const range = { firstPosition: 0, lastPosition: 5, minTimestamp: 0, maxTimestamp: 0 }
  const values = ['{"a":1}', '{"a":2}', 'no', null, '{"a":3}', '[1,2]']
  const batch = batchOf(
    values.map((value, position) => ({ position, timestamp: 0, key: `k${position}`, value, id: null, headers: [] })),
  )

  it('read each value once, however many there are, and none that the rest rules out', async () => {
    const read: number[] = []
    const filter = parseFilter({
      and: [{ or: [{ jq: '.a == 1' }, { jq: '.a == 3' }, { jq: '.b' }, { not: { jq: '.a' } }] }, { field: 'key', gte: 'k1' }],
    })
    const found = await createSelection({ filter })
      .of(lane)!
      .match(
        batch,
        range,
        async (part) => {
          const plain = await jsonValues.open(part, 't', signal)
          return onceEachRow((row) => {
            read.push(part.positions[row]!)
            return plain(row)
          })
        },
        signal,
      )
    expect([...found!.positions]).toEqual([2, 3, 4, 5])
    expect(read).toEqual([1, 2, 3, 4, 5])
  })

  it('end when the search does', async () => {
    const ended = new AbortController()
    const filter = parseFilter({ jq: '[range(1e9)] | length' })
    const matching = createSelection({ filter })
      .of(lane)!
      .match(
        batchOf(Array.from({ length: 5000 }, (_, position) => ({ position, timestamp: 0, value: '{}' }))),
        range,
        (part) => jsonValues.open(part, 't', signal),
        ended.signal,
      )
    ended.abort()
    await expect(matching).rejects.toMatchObject({ name: 'AbortError' })
  })
})
