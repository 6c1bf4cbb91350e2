import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { inPositionOrder } from '../../src/search/position-order.ts'
import type { BlockSelection, LaneBatch } from '../../src/search/position-order.ts'
import { inTimeOrder } from '../../src/search/time-order.ts'

const lane = { topic: 't', topicId: 't', lane: '0' }
const batchAt = (positions: readonly number[], timestamps: readonly number[] = positions): MessageBatch =>
  batchOf(positions.map((position, i) => ({ position, timestamp: timestamps[i]! })))

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

describe('inPositionOrder', () => {
  it('lets blocks that follow each other pass as they are', async () => {
    const batches = [batchAt([1, 2]), batchAt([3, 9])]
    const selections = [
      { lane, batch: batches[0], lastPosition: 2, safeBefore: 3 },
      { lane, batch: undefined, lastPosition: 2, safeBefore: 3 },
      { lane, batch: batches[1], lastPosition: 12, safeBefore: Infinity },
    ]
    const got = await Array.fromAsync(inPositionOrder(each(selections)))
    expect(got.map(({ batch, nextPosition }) => [batch, nextPosition])).toEqual([
      [batches[0], 3],
      [batches[1], 13],
    ])
    expect(got[0]!.batch).toBe(batches[0])
  })

  it('brings the messages of blocks that lie across each other into order', async () => {
    const blocksOf = fc.array(fc.array(fc.nat(3), { minLength: 1 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(fc.array(blocksOf, { maxLength: 4 }), fc.boolean(), async (clusters, dropSome) => {
        const expected: number[] = []
        const selections: BlockSelection[] = []
        let position = 0
        for (const cluster of clusters) {
          const blocks = dealt(cluster, position)
          position = Math.max(...blocks.flat()) + 1
          for (const [at, positions] of blocks.entries()) {
            const kept = dropSome && at % 3 === 2 ? [] : positions
            expected.push(...kept)
            const batch = kept.length === 0 ? undefined : batchAt(kept)
            selections.push({ lane, batch, lastPosition: positions.at(-1)!, safeBefore: blocks[at + 1]?.[0] ?? Infinity })
          }
        }
        const got = await Array.fromAsync(inPositionOrder(each(selections)))
        expect(got.flatMap(({ batch }) => [...batch.positions])).toEqual(expected.sort((a, b) => a - b))
        for (const [at, { nextPosition }] of got.entries()) {
          expect(nextPosition).toBeGreaterThan(got[at]!.batch.positions.at(-1)!)
          expect(nextPosition).toBeLessThanOrEqual(got[at + 1]?.batch.positions[0] ?? Infinity)
        }
      }),
    )
  })
})

/** Deals rising positions out to the blocks in turn, as many as each wants, the blocks by their first. */
function dealt(wants: readonly (readonly number[])[], from: number): number[][] {
  const blocks: number[][] = wants.map(() => [])
  let position = from
  for (let round = 0; round < Math.max(...wants.map((want) => want.length)); round++) {
    for (const [at, want] of wants.entries()) {
      const gap = want[round]
      if (gap === undefined) continue
      position += gap
      blocks[at]!.push(position++)
    }
  }
  return blocks.sort((a, b) => a[0]! - b[0]!)
}

describe('inTimeOrder', () => {
  const streamOf = (batches: readonly MessageBatch[], name: string) =>
    async function* (): AsyncGenerator<LaneBatch> {
      for (const batch of batches) yield { lane: { ...lane, lane: name }, batch, nextPosition: batch.positions.at(-1)! + 1 }
    }
  const least = (batches: readonly MessageBatch[]) => Math.min(...batches.flatMap(({ timestamps }) => [...timestamps]))

  it('is the merge of the heads of the lanes by timestamp, equal ones in the order of the lanes', async () => {
    const timestamps = fc.array(fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(fc.array(timestamps, { maxLength: 5 }), async (lanes) => {
        let position = 0
        const batches = lanes.map((blocks) =>
          blocks.map((times) =>
            batchAt(
              times.map(() => position++),
              times,
            ),
          ),
        )
        const streams = batches.map((some, at) => ({
          minTimestamp: some.length === 0 ? 0 : least(some),
          open: streamOf(some, String(at)),
        }))
        const got = await Array.fromAsync(inTimeOrder(streams))
        const rows = got.flatMap(({ lane, batch }) => [...batch.timestamps].map((time) => `${lane.lane}@${time}`))
        expect(rows).toEqual(mergedHeads(lanes.map((blocks) => blocks.flat())))
      }),
    )
  })

  it('opens a lane only when its time has come near', async () => {
    const opened: number[] = []
    const streams = Array.from({ length: 40 }, (_, at) => ({
      minTimestamp: at * 10,
      open: () => {
        opened.push(at)
        return streamOf([batchAt([at * 10, at * 10 + 1])], String(at))()
      },
    }))
    for await (const { lane } of inTimeOrder(streams)) if (lane.lane === '3') break
    expect(opened.length).toBeLessThan(20)
  })
})

/** The naive merge: always the smallest head, the first lane of equals. */
function mergedHeads(lanes: readonly (readonly number[])[]): string[] {
  const left = lanes.map((times) => [...times])
  const merged: string[] = []
  for (;;) {
    const heads = left.map((times) => times[0] ?? Infinity)
    const least = Math.min(...heads)
    if (least === Infinity) return merged
    const at = heads.indexOf(least)
    merged.push(`${at}@${left[at]!.shift()}`)
  }
}
