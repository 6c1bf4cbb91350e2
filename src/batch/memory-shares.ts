/** How the memory of a process is shared out between what it always needs and messages on their way. */
export interface MemoryShares {
  /** Buffers of a block that all lanes together keep for the next ones. */
  readonly spareBuffers: number
  /** What so many lanes that are read may hold of messages together, bytes. */
  readonly messageBytes: (lanes: number) => number
}

const MAX_SPARE_BUFFERS = 8
/** What spare buffers may take of the memory; as much again is in use that no lane has counted. */
const SPARE_SHARE = 1 / 16
/** What a lane takes beside what it counts: objects (20 to 35 KB measured), and the unused rest of a piece of its block. */
const LANE_BYTES = 32 * 1024
/** What all lanes together are taken to cost by this, at the most: something has to be left for messages. */
const LANES_SHARE = 1 / 4

/** The shares of `memoryBytes` where blocks have `blockBytes`. */
export function memoryShares(memoryBytes: number, blockBytes: number): MemoryShares {
  const spareBytes = memoryBytes * SPARE_SHARE
  const spareBuffers = Math.max(1, Math.min(MAX_SPARE_BUFFERS, Math.floor(spareBytes / blockBytes)))
  const shared = 2 * Math.min(spareBytes, spareBuffers * blockBytes)
  return {
    spareBuffers,
    messageBytes: (lanes) => memoryBytes - shared - Math.min(memoryBytes * LANES_SHARE, lanes * LANE_BYTES),
  }
}
