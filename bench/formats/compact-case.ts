import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { suitHeapToStream } from '../../src/api/heap.ts'
import { prepareBatches } from '../../src/cli/bench/encode-case.ts'
import { measure, rateFigures } from '../../src/cli/bench/measure.ts'
import { openChain } from '../../src/commit/chain.ts'
import { compactArchive } from '../../src/compact/compact.ts'
import { DEFAULT_BLOCK_BYTES } from '../../src/encode/block-encoder.ts'
import type { Format } from '../../src/encode/block.ts'
import { segmentFormat } from '../../src/encode/formats.ts'
import { createSegmentBuilder } from '../../src/encode/segment-builder.ts'
import { segmentKey } from '../../src/layout/millpond.ts'

/**
 * Measures `millpond compact` over commits of 10,000 messages each, in `avro`: read, written, read back and compared. Words: messages, the format that
 * they are to be in. The archive is made by a process of its own.
 */
const [messages = '2000000', format = 'avro', made] = process.argv.slice(2)
const shape = { codec: 'zstandard', lookups: ['key'], blockBytes: DEFAULT_BLOCK_BYTES } as const

async function make(folder: string): Promise<void> {
  await using store = await openFileStore({ path: folder, create: true })
  const lane = { topic: 'orders', topicId: 'orders', lane: '0' }
  const chain = await openChain({ store, lane, startPosition: 0, writer: 'w', now: Date.now })
  const rules = segmentFormat('avro')
  for (const batch of prepareBatches(Number(messages))()) {
    const encoder = rules.createEncoder(shape)
    const full = encoder.add(batch)
    const last = encoder.flush()
    const blocks = await Promise.all(last === undefined ? full : [...full, last])
    const builder = createSegmentBuilder({ format: 'avro', codec: 'zstandard', sync: randomBytes(16) })
    const chunks = [builder.header, ...blocks.flatMap((block) => builder.append(block).map(({ bytes }) => bytes))]
    const key = segmentKey({ folder: chain.folder, firstPosition: chain.nextPosition, writer: 'w', extension: 'avro' })
    await store.putIfAbsent(key, Buffer.concat(chunks))
    const { entry, lookupBytes } = builder.finish(key, {})
    await chain.append({ nextPosition: entry.lastPosition + 1, segments: [entry], gaps: [], deadLetters: [], lookupBytes })
  }
}

async function compact(folder: string): Promise<number> {
  await using store = await openFileStore({ path: folder, create: false })
  const rules = { targetBytes: 128 << 20, minObjects: 8, format: format as Format, merge: shape }
  const lanes = await compactArchive(store, rules)
  return lanes.reduce((sum, lane) => sum + lane.messages, 0)
}

suitHeapToStream()
if (made !== undefined) await make(made)
else {
  const folder = await mkdtemp(join(tmpdir(), 'millpond-compact-bench-'))
  try {
    await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), messages, format, folder])
    process.stdout.write(`${JSON.stringify({ ...rateFigures(await measure(() => compact(folder))), format })}\n`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
