import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import type { Message } from '../../src/batch/view.ts'
import type { Sink } from '../../src/sink/sink.ts'
import { numbered, plain, plainInput, variedMessages } from './source.ts'

/** A sink into an empty target that the contract can look into. */
export interface SinkFixture extends AsyncDisposable {
  readonly sink: Sink
  /** Whether the target keeps message ids. */
  readonly keepsIds: boolean
  /** All messages that the topic has, lane by lane, in the order of their lanes. */
  read(topic: string): Promise<readonly (readonly Message[])[]>
}

const origin = { topic: 'orders', lane: '0' }
const running = () => new AbortController().signal

const positioned = (messages: readonly Omit<MessageInput, 'position'>[], first = 0) =>
  batchOf(messages.map((message, i) => ({ ...message, position: first + i })))

/** What every sink that can be read back must hold to. */
export function sinkContract(name: string, open: () => Promise<SinkFixture>): void {
  describe(`sink contract: ${name}`, () => {
    it('keeps keys, values, headers, timestamps and the order of a key', async () => {
      await using fixture = await open()
      const sent = variedMessages(600)
      const target = { topic: 'replayed', origin }
      expect(await fixture.sink.write(target, positioned(sent.slice(0, 100)), running())).toEqual({ delivered: 100, failed: [] })
      expect(await fixture.sink.write(target, positioned(sent.slice(100), 100), running())).toEqual({
        delivered: 500,
        failed: [],
      })
      const lanes = (await fixture.read('replayed')).map((messages) =>
        messages.map((message) => plain(message, fixture.keepsIds)),
      )
      const inputs = sent.map((message) => plainInput(message, fixture.keepsIds))
      const texts = (messages: readonly object[]) => messages.map((message) => JSON.stringify(message))
      expect(texts(lanes.flat()).sort()).toEqual(texts(inputs).sort())
      for (let key = 0; key < 7; key++) {
        const ofKey = (messages: typeof inputs) => messages.filter((message) => message.key === `key-${key}`)
        expect(lanes.map(ofKey).filter((messages) => messages.length > 0)).toEqual([ofKey(inputs)])
      }
    })

    it('takes lanes side by side', async () => {
      await using fixture = await open()
      const write = async (lane: string) => {
        for (let first = 0; first < 100; first += 10) {
          const batch = positioned(
            numbered(first, first + 10, () => lane),
            first,
          )
          await fixture.sink.write({ topic: 'replayed', origin: { topic: 'orders', lane } }, batch, running())
        }
      }
      await Promise.all(['0', '1', '2'].map(write))
      const messages = (await fixture.read('replayed')).flat().map((message) => plain(message))
      for (const lane of ['0', '1', '2']) {
        const values = messages.filter(({ key }) => key === lane).map(({ value }) => Number(value))
        expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i))
      }
    })

    it('writes nothing where the signal has aborted already', async () => {
      await using fixture = await open()
      const target = { topic: 'replayed', origin }
      await fixture.sink.write(target, positioned(numbered(0, 1)), running())
      await expect(fixture.sink.write(target, positioned(numbered(1, 2), 1), AbortSignal.abort())).rejects.toThrow(/abort/u)
      expect((await fixture.read('replayed')).flat()).toHaveLength(1)
    })

    it('tells, where it can, how far a job got, by job and lane', async () => {
      await using fixture = await open()
      if (fixture.sink.resumePosition === undefined) return
      const target = { topic: 'replayed', origin, job: 'job-1' }
      expect(await fixture.sink.resumePosition(target)).toBeUndefined()
      const gapped = batchOf(numbered(0, 3).map((message, i) => ({ ...message, position: 5 + i * 10 })))
      await fixture.sink.write(target, gapped, running())
      expect(await fixture.sink.resumePosition(target)).toBe(26)
      expect(await fixture.sink.resumePosition({ ...target, job: 'job-2' })).toBeUndefined()
      expect(await fixture.sink.resumePosition({ ...target, origin: { ...origin, lane: '1' } })).toBeUndefined()
      expect(await fixture.sink.resumePosition({ ...target, topic: 'other' })).toBeUndefined()
    })
  })
}
