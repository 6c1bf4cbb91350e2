import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { runArchive } from '../../archive.ts'
import type { SegmentEntry } from '../../encode/segment.ts'
import { writeJsonLines } from '../../encode/json-lines.ts'
import { followChains } from '../../index/follow.ts'
import { createDeadLetters, openIndex } from '../../wiring.ts'
import { archiveOptions } from '../../wiring/archive.ts'
import { openLog } from '../../wiring/local.ts'
import { openStore } from '../../wiring/store.ts'
import { ownArchiveParts } from '../../api/archiving.ts'
import type { BenchCase, BenchContext } from './context.ts'
import { encodeBatches, prepareBatches } from './encode-case.ts'
import { createGeneratedSource } from './generated-source.ts'
import { createMessageGenerator } from './messages.ts'

/** The topic of every case. */
export const TOPIC = 'orders'
export const LANES = 4
/** Generated time: ten million messages fill about four days. */
export const MESSAGES_PER_MS = 0.03
const BATCH_COUNT = 10_000

const DONE_FILE = 'prepared.json'
const ENTRIES_FILE = 'segments.json'

/** The file of lines that `ingest` reads. */
export const linesFile = (folder: string): string => join(folder, 'messages.jsonl')

/** Makes what a case needs, unless the folder holds it already for as many messages. */
export async function prepare(needs: NonNullable<BenchCase['needs']>, context: BenchContext): Promise<void> {
  const done = join(context.folder, DONE_FILE)
  const wanted = JSON.stringify({ needs, messages: context.messages })
  if ((await readFile(done, 'utf8').catch(() => '')) === wanted) return
  await makers[needs](context)
  await writeFile(done, wanted)
}

const makers: Readonly<Record<NonNullable<BenchCase['needs']>, (context: BenchContext) => Promise<void>>> = {
  lines: async ({ folder, messages }) => {
    const file = createWriteStream(linesFile(folder))
    const generator = createMessageGenerator({ ids: false, messagesPerMs: MESSAGES_PER_MS })
    for (let first = 0; first < messages; first += BATCH_COUNT) {
      const lines = writeJsonLines(generator.batch(first, Math.min(BATCH_COUNT, messages - first)), { topic: TOPIC, lane: '0' })
      if (!file.write(lines)) await once(file, 'drain')
    }
    file.end()
    await finished(file)
  },
  log: async ({ config, messages }) => {
    await using log = await openLog(config)
    await log.createTopic(TOPIC, { partitions: LANES })
    const generator = createMessageGenerator({ ids: false, messagesPerMs: MESSAGES_PER_MS })
    const appending = new Set<Promise<unknown>>()
    for (let first = 0; first < messages; first += BATCH_COUNT) {
      const append: Promise<unknown> = log
        .append(TOPIC, generator.batch(first, Math.min(BATCH_COUNT, messages - first)))
        .finally(() => appending.delete(append))
      appending.add(append)
      if (appending.size > 4) await Promise.race(appending)
    }
    await Promise.all(appending)
  },
  archive: async ({ config, messages, signal }) => {
    await using store = await openStore(config, 'write')
    await using index = await openIndex(config)
    await using deadLetters = createDeadLetters(config)
    const generator = createMessageGenerator({ ids: true, messagesPerMs: MESSAGES_PER_MS })
    await using source = createGeneratedSource(TOPIC, generator, { messages, lanes: LANES })
    await runArchive({ ...ownArchiveParts(), source, store, deadLetters }, archiveOptions(config, true), signal)
    await followChains(store, index)
  },
  segments: async ({ config, folder, messages }) => {
    await using store = await openStore(config, 'write')
    const entries = await encodeBatches(store, prepareBatches(messages)())
    await writeFile(join(folder, ENTRIES_FILE), JSON.stringify(entries))
  },
}

/** The segments that were prepared. */
export async function readEntries(folder: string): Promise<SegmentEntry[]> {
  return JSON.parse(await readFile(join(folder, ENTRIES_FILE), 'utf8')) as SegmentEntry[]
}
