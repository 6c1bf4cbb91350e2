import { describe, expect, it } from 'vitest'
import { lanePartition, type PartitionChoice } from '../../../src/adapters/kafka/sink-partition.ts'

describe('lanePartition', () => {
  it.each<{ choice: PartitionChoice; lane: string; partition: number | undefined; because: string }>([
    { choice: 'lane', lane: '2', partition: 2, because: 'lanes of Kafka are numbers' },
    { choice: 'key', lane: '2', partition: undefined, because: 'that differs from key to key' },
    { choice: 0, lane: 'receiver-1', partition: 0, because: 'all go there' },
    { choice: { lanes: { '2': 3, 'receiver-1': 1 } }, lane: '2', partition: 3, because: 'it says so' },
    { choice: { lanes: { '2': 3, 'receiver-1': 1 } }, lane: 'receiver-1', partition: 1, because: 'it says so of a name too' },
    { choice: { lanes: { '2': 3 } }, lane: '1', partition: 1, because: 'it says nothing of this lane' },
  ])('is $partition for lane $lane by $choice: $because', ({ choice, lane, partition }) => {
    expect(lanePartition({ topic: 'again', partitions: 4, lane, choice })).toBe(partition)
  })

  it.each<{ choice: PartitionChoice; lane: string; says: string }>([
    { choice: 'lane', lane: '4', says: 'lane 4 has no place in topic again, which has 4 partitions' },
    { choice: 'lane', lane: 'receiver-1', says: 'lane receiver-1 has no place' },
    { choice: 4, lane: '0', says: 'partition 4 has no place' },
    { choice: { lanes: { '0': 9 } }, lane: '0', says: 'lane 0 as partition 9 has no place' },
    { choice: { lanes: {} }, lane: 'toString', says: 'lane toString as partition of its number has no place' },
  ])('refuses lane $lane by $choice', ({ choice, lane, says }) => {
    expect(() => lanePartition({ topic: 'again', partitions: 4, lane, choice })).toThrow(
      expect.objectContaining({ code: 'INPUT_INVALID', message: expect.stringContaining(says) }),
    )
  })
})
