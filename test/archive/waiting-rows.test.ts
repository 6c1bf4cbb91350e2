import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileSpill } from '../../src/adapters/file/spill.ts'
import { createWaitingRows, openQueue } from '../../src/archive/waiting-rows.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { type Message, messagesOf } from '../../src/batch/view.ts'
import { createRandom } from '../live/random.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-waiting-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** A message with what there may be: nulls, empty texts, bytes that are no text, headers of one name, and now and then a long value. */
function anyMessage(position: number, random: () => number): MessageInput {
  const bytes = (most: number) => Uint8Array.from({ length: Math.floor(random() * most) }, () => Math.floor(random() * 256))
  const optional = <T>(value: T) => (random() < 0.3 ? null : value)
  return {
    position,
    timestamp: Math.floor((random() - 0.5) * 1e13),
    key: optional(bytes(20)),
    value: optional(bytes(random() < 0.05 ? 5000 : 100)),
    id: optional(`id-${position}`),
    headers: Array.from({ length: Math.floor(random() * 4) }, () => ({
      name: random() < 0.5 ? 'h' : '',
      value: optional(bytes(9)),
    })),
  }
}

const asRead = (messages: readonly MessageInput[]): Message[] => [...messagesOf(batchOf(messages))]
const hex = (bytes: Uint8Array | null) => bytes && Buffer.from(bytes).toString('hex')
const plain = (messages: readonly Message[]) =>
  messages.map(({ key, value, headers, ...rest }) => ({
    ...rest,
    key: hex(key),
    value: hex(value),
    headers: headers.map((header) => ({ ...header, value: hex(header.value) })),
  }))

describe('rows that wait', () => {
  it.each([1, 2, 3, 4])(
    'come out of their queue as they went in, however often memory is compacted or moved to disk meanwhile (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      let heldBytes = 0
      const waiting = createWaitingRows((change) => {
        heldBytes += change
      })
      await using disk = await openFileSpill(folder)
      const queues = Array.from({ length: 40 }, () => ({ queue: openQueue(), expected: [] as MessageInput[] }))
      const take = async ({ queue, expected }: (typeof queues)[number], isSweep: boolean) => {
        let taken: unknown = []
        await waiting.take(queue, isSweep, (batch) => {
          taken = plain([...messagesOf(batch)])
        })
        expect(taken).toEqual(plain(asRead(expected.splice(0))))
        expect(queue).toMatchObject({ count: 0, bytes: 0, memoryBytes: 0, first: -1, last: -1, spilled: [] })
      }
      let position = 0
      for (let step = 0; step < 120; step++) {
        const messages = Array.from({ length: 1 + Math.floor(random() * 60) }, () => anyMessage(position++, random))
        const first = waiting.load(batchOf(messages))
        for (const [row, message] of messages.entries()) {
          const one = queues[Math.floor(random() ** 3 * queues.length)]!
          waiting.put(one.queue, first + row)
          one.expected.push(message)
        }
        const act = random()
        const all = queues.map(({ queue }) => queue)
        if (act < 0.15) await waiting.spill(disk, all)
        else if (act < 0.35) await take(queues[Math.floor(random() * queues.length)]!, false)
        else if (act < 0.45) waiting.compact(all)
        expect(heldBytes).toBe(waiting.bytes)
        const inMemory = all.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
        expect(waiting.wantedBytes).toBe(inMemory)
        const isTidy = act < 0.15 || (act >= 0.35 && act < 0.45)
        expect(waiting.bytes - inMemory).toBeLessThanOrEqual(isTidy ? 0 : Infinity)
      }
      // Side by side, as objects are finished.
      await Promise.all(queues.map((one) => take(one, true)))
      expect(waiting.bytes).toBe(0)
      waiting.clear()
      expect(heldBytes).toBe(0)
    },
  )
})
