import { describe, expect, it } from 'vitest'
import { byLane, importRules, type ImportKind } from '../../src/import/objects.ts'
import { placeRuns } from '../../src/import/place.ts'
import type { SegmentEntry } from '../../src/encode/segment.ts'

const entry = (firstPosition: number, count: number): SegmentEntry => {
  const extent = { count, firstPosition, lastPosition: firstPosition + count - 1, minTimestamp: 0, maxTimestamp: 0 }
  const block = { offset: 0, bytes: 1, crc32c: 0, ...extent }
  const named = { key: `${firstPosition}`, bytes: 1, crc32c: 0, sha256: '', format: 'value-avro', codec: 'null' } as const
  return { ...named, ...extent, layout: {}, blocks: [block], lookups: [], siblings: [] }
}
const placed = (objects: readonly (readonly [number, number])[], isDealt: boolean) =>
  placeRuns(
    objects.map(([start, count]) => entry(start, count)),
    isDealt,
  ).map(({ entries, nextPosition }) => [entries.map((one) => [one.firstPosition, one.lastPosition]), nextPosition])

describe('objects that tell their first position alone', () => {
  it.each([
    {
      because: 'one follows the other',
      objects: [
        [0, 10],
        [10, 5],
      ] as const,
      isDealt: false,
      runs: [
        [[[0, 9]], 10],
        [[[10, 14]], 15],
      ],
    },
    {
      because: 'what is missing before the next one is missing in the one before',
      objects: [
        [0, 10],
        [12, 5],
      ] as const,
      isDealt: false,
      runs: [
        [[[0, 11]], 12],
        [[[12, 16]], 17],
      ],
    },
    {
      because: 'a round of objects that are dealt out is closed when it is complete',
      objects: [
        [0, 6],
        [2, 4],
        [10, 3],
        [11, 2],
      ] as const,
      isDealt: true,
      runs: [
        [
          [
            [0, 9],
            [2, 9],
          ],
          10,
        ],
        [
          [
            [10, 14],
            [11, 14],
          ],
          15,
        ],
      ],
    },
    {
      because: 'a round that does not come to be complete goes on to the end',
      objects: [
        [0, 5],
        [2, 4],
        [10, 3],
        [11, 2],
      ] as const,
      isDealt: true,
      runs: [
        [
          [
            [0, 13],
            [2, 13],
            [10, 13],
            [11, 13],
          ],
          14,
        ],
      ],
    },
  ])('lie so that $because', ({ objects, isDealt, runs }) => {
    expect(placed(objects, isDealt)).toEqual(runs)
  })
})

describe('names of objects', () => {
  const parse = (kind: ImportKind, key: string, topic?: string) => importRules(kind).parse(key, topic)
  it.each([
    [
      'kafka-backup',
      'b/topics/orders/partition=3/segment-00000000000000000120.bin.zst',
      { topic: 'orders', lane: '3', order: 120 },
    ],
    ['kafka-backup', 'topics/o.x/partition=0/segment-00000000000000000000.bin', { topic: 'o.x', lane: '0', order: 0 }],
    [
      'confluent',
      'topics/orders/partition=0/orders+0+0000000250.avro',
      { lane: '0', order: 250, isDealt: false, format: 'value-avro' },
    ],
    [
      'confluent',
      'orders/year=2018/month=01/day=04/orders+3+0000000250.json.gz',
      { lane: '3', isDealt: true, format: 'value-json' },
    ],
    [
      'confluent',
      'topics/a.avro/partition=12/a.avro+12+12345678901.avro',
      { topic: 'a.avro', lane: '12', order: 12_345_678_901 },
    ],
    [
      'confluent',
      'topics/orders/partition=0/orders+0+0000000250.keys.avro',
      { siblingOf: { key: 'topics/orders/partition=0/orders+0+0000000250.avro', role: 'keys' } },
    ],
    [
      'dataphos',
      'x/2024/10/11/07/msg-0_1500.avro',
      { topic: 'orders', lane: 'dataphos', group: 'x/2024/10/11/07/', order: 1500 },
    ],
    ['dataphos', 'msg-77.avro', { group: '', order: 77 }],
  ] as const)('of %s: %s', (kind, key, said) => {
    expect(parse(kind, key, kind === 'dataphos' ? 'orders' : undefined)).toMatchObject(said)
  })

  it.each([
    ['kafka-backup', 'b/manifest.json'],
    ['kafka-backup', 'topics/orders/partition=x/segment-1.bin'],
    ['confluent', 'topics/orders/partition=0/other+0+0000000250.avro'],
    ['confluent', 'topics/orders/partition=0/orders+0+0000000250.parquet'],
    ['dataphos', 'x/msg-0_1500.parquet'],
  ] as const)('of %s are none of its data: %s', (kind, key) => {
    expect(parse(kind, key, 'orders')).toBeUndefined()
  })

  it('of another topic than the one that is wanted are left out', () => {
    expect(parse('kafka-backup', 'topics/a/partition=0/segment-0.bin', 'b')).toBeUndefined()
  })

  it('are put in the order of numbers, by lane', () => {
    const objects = ['orders+10+9', 'orders+2+10', 'orders+2+9'].map((name) => {
      const key = `topics/orders/partition=${name.split('+')[1]}/${name}.avro`
      return { key, bytes: 1, modifiedMs: 0, ...parse('confluent', key)! }
    })
    expect(byLane(objects).map(({ lane, objects: own }) => [lane, own.map(({ order }) => order)])).toEqual([
      ['2', [9, 10]],
      ['10', [9]],
    ])
  })
})
