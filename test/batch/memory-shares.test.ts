import { describe, expect, it } from 'vitest'
import { memoryShares } from '../../src/batch/memory-shares.ts'

const MiB = 1024 * 1024

describe('memoryShares', () => {
  it.each([
    { memory: 128, block: 1, lanes: 0, spare: 8, messages: 112, because: 'buffers that lanes share are taken off' },
    { memory: 128, block: 1, lanes: 8, spare: 8, messages: 111.75, because: 'a lane costs 32 KiB' },
    { memory: 128, block: 1, lanes: 1000, spare: 8, messages: 80.75, because: 'many lanes leave less for messages' },
    { memory: 128, block: 1, lanes: 100_000, spare: 8, messages: 80, because: 'more than half is always left for messages' },
    { memory: 16, block: 1, lanes: 1, spare: 1, messages: 13.96875, because: 'little memory keeps few buffers' },
    { memory: 16, block: 64, lanes: 1, spare: 1, messages: 13.96875, because: 'one buffer may be larger than its share' },
    { memory: 1024, block: 1, lanes: 8, spare: 8, messages: 1007.75, because: 'more buffers than a few are of no use' },
  ])(
    'keeps $spare buffers of $block MiB and leaves $messages MiB of $memory to $lanes lanes: $because',
    ({ memory, block, lanes, spare, messages }) => {
      const { spareBuffers, messageBytes } = memoryShares(memory * MiB, block * MiB)
      expect({ spareBuffers, messages: messageBytes(lanes) / MiB }).toEqual({ spareBuffers: spare, messages })
    },
  )
})
