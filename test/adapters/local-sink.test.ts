import { describe, expect, it } from 'vitest'
import { createLocalSink } from '../../src/adapters/local/sink.ts'
import type { MessageBatch } from '../../src/batch/batch.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { sinkContract } from '../contract/sink.ts'
import { numbered } from '../contract/source.ts'
import { readTopic, temporaryLog, valuesOf } from './local-fixtures.ts'

sinkContract('local', async () => {
  const { log, [Symbol.asyncDispose]: dispose } = await temporaryLog()
  const sink = createLocalSink(log)
  return { sink, keepsIds: true, read: (topic) => readTopic(log, topic), [Symbol.asyncDispose]: dispose }
})

const running = () => new AbortController().signal
const target = { topic: 'replayed', origin: { topic: 'orders', lane: '0', topicId: 'a' }, job: 'job' }
const batch = (from: number, to: number) => batchOf(numbered(from, to).map((message, i) => ({ ...message, position: from + i })))

describe('local sink', () => {
  it('refuses what a job has delivered already, and keeps nothing of it', async () => {
    await using fixture = await temporaryLog()
    const sink = createLocalSink(fixture.log)
    await sink.write(target, batch(0, 10), running())
    await expect(sink.write(target, batch(5, 15), running())).rejects.toMatchObject({ code: 'JOB_CONFLICT' })
    await sink.write(target, batch(10, 12), running())
    expect(valuesOf((await readTopic(fixture.log, 'replayed')).flat())).toEqual(Array.from({ length: 12 }, (_, i) => String(i)))
    expect(await sink.resumePosition!(target)).toBe(12)
  })

  it('does not take a topic for one of its name that was made anew', async () => {
    await using fixture = await temporaryLog()
    const sink = createLocalSink(fixture.log)
    const later = { ...target, origin: { ...target.origin, topicId: 'b' } }
    await sink.write(target, batch(0, 10), running())
    expect(await sink.resumePosition!(later)).toBeUndefined()
    await sink.write(later, batch(0, 3), running())
    expect(await sink.resumePosition!(later)).toBe(3)
    await fixture.log.deleteTopic('replayed')
    await fixture.log.createTopic('replayed')
    expect(await sink.resumePosition!(target)).toBeUndefined()
  })

  it('names the messages that it cannot take, and delivers the others', async () => {
    await using fixture = await temporaryLog()
    const sink = createLocalSink(fixture.log)
    const good = batchOf([
      { position: 4, timestamp: 0, value: 'a', id: 'x' },
      { position: 7, timestamp: 0, value: 'b', id: 'y' },
    ])
    const bytes = good.bytes.slice()
    bytes[good.idStart[1]!] = 0xff
    const broken: MessageBatch = { ...good, bytes }
    const delivery = await sink.write(target, broken, running())
    expect(delivery).toEqual({ delivered: 1, failed: [{ position: 7, reason: expect.stringContaining('UTF-8') as string }] })
    expect(valuesOf((await readTopic(fixture.log, 'replayed')).flat())).toEqual(['a'])
    expect(await sink.resumePosition!(target)).toBe(8)
  })

  it('says that nothing can be delivered where the log cannot be written to', async () => {
    await using fixture = await temporaryLog()
    const sink = createLocalSink(fixture.log)
    await fixture.log.close()
    await expect(sink.write(target, batch(0, 1), running())).rejects.toMatchObject({ code: 'DELIVERY_FAILED' })
  })
})
