import type { MessageBatch } from '../batch/batch.ts'
import { compressBlock, type EncodeOptions } from './avro-block.ts'
import type { EncodedBlock } from './block.ts'
import { RawBlockBuilder } from './raw-block.ts'

/** Uncompressed bytes of a block unless told otherwise. */
export const DEFAULT_BLOCK_BYTES = 1024 * 1024

/** Gathers the batches of one lane into blocks. What `add` took is copied: the batch may change or go as soon as it returns. */
export interface BlockEncoder {
  /** Messages that no block holds yet. */
  readonly pendingCount: number
  /** Their bytes, encoded. */
  readonly pendingBytes: number
  /**
   * Takes the batch; gives the blocks that became full, in order, each resolving when it is compressed. A message larger than a
   * block gets one of its own.
   * @throws MillpondError `POSITION_INVALID` where positions do not rise, also across calls; `MESSAGE_TOO_LARGE`. Messages before
   * that one may have been taken, and blocks of them be lost: an encoder that threw must not be used again.
   */
  add(batch: MessageBatch): Promise<EncodedBlock>[]
  /** Closes the block that is filling, if any. */
  flush(): Promise<EncodedBlock> | undefined
}

/** Buffers kept for the next blocks; more are in use only while compression is behind. */
const MAX_SPARE_BUFFERS = 4

/** An encoder for blocks of about `blockBytes` before compression. */
export function createBlockEncoder(options: EncodeOptions & { readonly blockBytes?: number }): BlockEncoder {
  const { lookups, blockBytes = DEFAULT_BLOCK_BYTES } = options
  // Taking large buffers and giving them back costs more than filling them.
  const spare: Uint8Array[] = []
  let filling: { readonly builder: RawBlockBuilder; readonly buffer: Uint8Array } | undefined
  let lastPosition = -Infinity

  const open = () => {
    const buffer = spare.pop() ?? new Uint8Array(blockBytes)
    return { builder: new RawBlockBuilder(lookups, { blockBytes, buffer, after: lastPosition }), buffer }
  }
  const close = async ({ builder, buffer }: NonNullable<typeof filling>): Promise<EncodedBlock> => {
    const raw = builder.seal()
    try {
      // Under `null` the records themselves are the block, and the buffer is wanted back.
      return await compressBlock(options.codec === 'null' ? { ...raw, bytes: Uint8Array.from(raw.bytes) } : raw, options)
    } finally {
      if (spare.length < MAX_SPARE_BUFFERS) spare.push(buffer)
    }
  }
  const flush = () => {
    if (filling === undefined || filling.builder.count === 0) return undefined
    const block = close(filling)
    filling = undefined
    return block
  }

  return {
    get pendingCount() {
      return filling?.builder.count ?? 0
    },
    get pendingBytes() {
      return filling?.builder.bytes ?? 0
    },
    add(batch) {
      const blocks: Promise<EncodedBlock>[] = []
      for (let row = 0; row < batch.count;) {
        filling ??= open()
        row = filling.builder.append(batch, row)
        lastPosition = batch.positions[row - 1] ?? lastPosition
        if (row < batch.count || filling.builder.bytes >= blockBytes) blocks.push(flush()!)
      }
      return blocks
    },
    flush,
  }
}
