import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type LocalLog, type LocalLogOptions, openLocalLog } from '../../src/adapters/local/log.ts'
import { type Message, messagesOf } from '../../src/batch/view.ts'
import { batchOf } from '../../src/batch/builder.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { decodeBlock } from '../../src/encode/avro-block.ts'
import { blockOf } from '../../src/adapters/local/rows.ts'
import type { NewMessage } from '../contract/source.ts'

/** A folder of the test's own, removed when disposed. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'millpond-local-log-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** A log in a folder of its own; closed and removed when disposed. */
export async function temporaryLog(
  options: Omit<LocalLogOptions, 'path'> = {},
): Promise<{ readonly log: LocalLog; readonly path: string } & AsyncDisposable> {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'log.sqlite')
  const log = await openLocalLog({ path, ...options })
  const dispose = async () => {
    await log.close()
    await folder[Symbol.asyncDispose]()
  }
  return { log, path, [Symbol.asyncDispose]: dispose }
}

/** Messages as a batch to append; the log gives positions of its own. */
export const toAppend = (messages: readonly NewMessage[]): MessageBatch =>
  batchOf(messages.map((message, position) => ({ ...message, position })))

/** All messages of the topic, lane by lane. */
export async function readTopic(log: LocalLog, name: string): Promise<Message[][]> {
  const { reader } = log.parts
  const lanes: Message[][] = []
  for (const partitionKey of reader.topic(name)?.partitionKeys ?? []) {
    const messages: Message[] = []
    let { oldest: position, next } = reader.range(partitionKey)!
    while (position < next) {
      for (const row of reader.read(partitionKey, position, 1)!.rows) {
        messages.push(...messagesOf(await decodeBlock(blockOf(row))))
        position = row.firstPosition + row.count
      }
    }
    lanes.push(messages)
  }
  return lanes
}

/** The text of each message's value. */
export const valuesOf = (messages: readonly Message[]): string[] =>
  messages.map(({ value }) => (value === null ? '' : Buffer.from(value).toString()))
