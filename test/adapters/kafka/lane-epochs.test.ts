import { describe, expect, it } from 'vitest'
import { createLaneEpochs } from '../../../src/adapters/kafka/lane-epochs.ts'

const laneOf = (lane: string) => ({ topic: 'orders', topicId: 'id', lane })
const nothing = () => Promise.resolve(undefined)

describe('the epochs of a lane', () => {
  it('are known of what was read, and of nothing behind or before it', async () => {
    const [epochs, lane] = [createLaneEpochs(nothing), laneOf('0')]
    epochs.read(lane, 10, [
      { epoch: 3, nextPosition: 20 },
      { epoch: 5, nextPosition: 30 },
    ])
    epochs.read(lane, 30, [{ epoch: 5, nextPosition: 40 }])
    const before = (position: number) => epochs.before(lane, position)
    expect(await Promise.all([9, 10, 11, 20, 21, 40, 41].map(before))).toEqual([-1, -1, 3, 3, 5, 5, -1])
    // The same lane that came back after others had it.
    expect(await epochs.before(laneOf('0'), 20)).toBe(-1)
  })

  it('are forgotten from where reading begins again, and altogether where it goes on elsewhere', async () => {
    const [epochs, lane] = [createLaneEpochs(nothing), laneOf('0')]
    epochs.read(lane, 0, [{ epoch: 3, nextPosition: 50 }])
    epochs.read(lane, 20, [{ epoch: 4, nextPosition: 30 }])
    expect(await epochs.before(lane, 20)).toBe(3)
    expect(await epochs.before(lane, 30)).toBe(4)
    expect(await epochs.before(lane, 50)).toBe(-1)
    epochs.read(lane, 80, [{ epoch: 6, nextPosition: 90 }])
    expect(await epochs.before(lane, 30)).toBe(-1)
    expect(await epochs.before(lane, 90)).toBe(6)
  })

  it('are still known at a position that was passed, and not below it', async () => {
    const [epochs, lane] = [createLaneEpochs(nothing), laneOf('0')]
    epochs.read(lane, 0, [
      { epoch: 1, nextPosition: 10 },
      { epoch: 2, nextPosition: 20 },
      { epoch: 3, nextPosition: 30 },
    ])
    epochs.passed(lane, 20)
    expect(await Promise.all([10, 20, 30].map((position) => epochs.before(lane, position)))).toEqual([-1, 2, 3])
  })

  it('are those of the offset that the group has committed, where it is the same', async () => {
    const epochs = createLaneEpochs(() => Promise.resolve({ position: 20, epoch: 7 }))
    const lane = laneOf('0')
    expect(await epochs.before(lane, 21)).toBe(-1)
    expect(await epochs.before(lane, 0)).toBe(-1)
    expect(await epochs.before(lane, 20)).toBe(7)
    epochs.read(lane, 20, [{ epoch: 8, nextPosition: 30 }])
    expect(await epochs.before(lane, 20)).toBe(7)
  })

  it('are not known of batches that say none', async () => {
    const [epochs, lane] = [createLaneEpochs(nothing), laneOf('0')]
    epochs.read(lane, 0, [
      { epoch: 2, nextPosition: 10 },
      { epoch: -1, nextPosition: 20 },
    ])
    expect(await Promise.all([10, 20].map((position) => epochs.before(lane, position)))).toEqual([-1, -1])
  })

  it.each([
    { leader: { epoch: 5, endOffset: 25 }, end: 25, because: 'the leader has less of the last epoch' },
    { leader: { epoch: 3, endOffset: 18 }, end: 18, because: 'it has less of an earlier one' },
    { leader: { epoch: 3, endOffset: 80 }, end: 20, because: 'it has more of an earlier one than was read' },
    { leader: { epoch: 1, endOffset: 40 }, end: 9, because: 'it has nothing of any that is known' },
  ])('end at $end where the leader says $leader: $because', async ({ leader, end }) => {
    const epochs = createLaneEpochs(() => Promise.resolve({ position: 10, epoch: 3 }))
    const lane = laneOf('0')
    await epochs.before(lane, 10)
    epochs.read(lane, 10, [
      { epoch: 3, nextPosition: 20 },
      { epoch: 5, nextPosition: 30 },
    ])
    expect(epochs.commonEnd(lane, leader)).toBe(end)
  })
})
