import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Format } from '../../src/encode/block.ts'
import { MillpondError } from '../../src/errors.ts'
import type { ReplayOptions } from '../../src/replay/job.ts'
import { REPLAY_HEADERS } from '../../src/replay/marks.ts'
import { runReplay } from '../../src/replay/replay.ts'
import type { MessageQuery } from '../../src/search/query.ts'
import { laneOf, openScene, type RecordSink, createRecordSink, type Scene } from './archives.ts'

const never = new AbortController().signal
const retry = { maxAttempts: 3, firstDelayMs: 1, maxDelayMs: 2 }
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)
const bytesOf = (text: string) => new TextEncoder().encode(text)

const lanes = [laneOf('orders', '0', 95), laneOf('orders', '1', 30, 1000)]
const openKafka = (format: Format = 'kafka') => openScene(lanes, { format })

/** Plans a replay without marks, unless the options say otherwise, and runs it. */
async function replay(scene: Scene, sink: RecordSink, query: MessageQuery = {}, options: Partial<ReplayOptions> = {}) {
  await scene.plan({ query, target: { kind: 'local', topic: 'new' }, options: { marks: false, ...options } })
  return runReplay('job-1', { ...scene, sink, nowMs: Date.now, retry }, never)
}

const storedBlocks = async ({ archive: { store, index } }: Scene): Promise<Uint8Array[]> => {
  const blocks: Uint8Array[] = []
  for await (const { key, blocks: entries } of index.segments({})) {
    for (const { offset, bytes } of entries) blocks.push(await store.read(key, { start: offset, end: offset + bytes }))
  }
  return blocks
}

describe('a replay of messages as blocks hold them', () => {
  it('hands them to a sink that takes them byte for byte, and counts their messages', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    const { job, stats } = await replay(scene, sink)
    expect(sink.stored.map(({ bytes }) => Buffer.from(bytes).toString('hex')).sort()).toEqual(
      (await storedBlocks(scene)).map((block) => Buffer.from(block).toString('hex')).sort(),
    )
    const bytes = sink.stored.reduce((sum, stored) => sum + stored.bytes.byteLength, 0)
    expect(job).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125, failed: 0, bytes } })
    expect(stats).toMatchObject({ messagesRead: 125, messagesMatched: 125, blocksRead: 13 })
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
    expect(sink.positions('orders', '1')).toEqual(range(1000, 1030))
  })

  it('hands Avro records to it as blocks hold them, decompressed', async () => {
    await using scene = await openKafka('avro')
    const sink = createRecordSink()
    const { job } = await replay(scene, sink)
    expect(sink.stored.map(({ format }) => format)).toEqual(Array.from(sink.stored, () => 'avro'))
    expect(sink.stored.length).toBe(13)
    expect(job).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125, failed: 0 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
    expect(sink.positions('orders', '1')).toEqual(range(1000, 1030))
  })

  it.each<Format>(['avro', 'kafka'])('hands blocks to it with the marks that their messages are to get (%s)', async (format) => {
    await using scene = await openKafka(format)
    const sink = createRecordSink()
    // The target goes away within a block, the rest of which goes on as messages.
    let faults = 1
    sink.fault = (_, first) => (first === 20 && faults-- > 0 ? 3 : undefined)
    const { job } = await replay(scene, sink, {}, { marks: true })
    expect(job).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125, failed: 0 } })
    expect(sink.stored).toHaveLength(13)
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
    for (const { target, messages } of sink.writes) {
      for (const { position, headers } of messages) {
        expect(headers.map(({ name }) => name)).toEqual(['own', ...REPLAY_HEADERS])
        const values = ['job-1', 'orders', target.origin.lane, String(position)]
        expect(headers.slice(1).map(({ value }) => new TextDecoder().decode(value))).toEqual(values)
      }
    }
  })

  it('gives blocks of which only a part is meant as messages, in their place', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    const { job } = await replay(scene, sink, { positions: { from: 15, to: 47 } })
    expect(sink.positions('orders', '0')).toEqual(range(15, 47))
    expect(sink.stored).toHaveLength(2)
    expect(job.counts).toMatchObject({ read: 32, delivered: 32 })
  })

  it.each<{ what: string; query?: MessageQuery; options?: Partial<ReplayOptions> }>([
    { what: 'keys are dropped', options: { keys: 'drop' } },
    { what: 'headers are dropped', options: { headers: 'drop' } },
    { what: 'the time changes', options: { timestamps: 'now' } },
    { what: 'there is a pace', options: { rateMessagesPerSecond: 1_000_000 } },
    { what: 'they are selected by content', query: { key: bytesOf('key 3') } },
  ])('gives messages where $what', async ({ query = {}, options = {} }) => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    const { job } = await replay(scene, sink, query, options)
    expect(sink.stored).toEqual([])
    expect(job.state).toBe('done')
    expect(job.counts.delivered).toBe(sink.writes.reduce((sum, { messages }) => sum + messages.length, 0))
    expect(job.counts.delivered).toBe(query.key === undefined ? 125 : 18)
    const headers = sink.writes[0]!.messages[0]!.headers.map(({ name }) => name)
    const own = options.headers === 'drop' ? [] : ['own']
    expect(headers).toEqual(own)
  })

  it('goes on with messages where a delivery broke off, and sends nothing twice to a target that says how far it got', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    let faults = 2
    // The target goes away within the third block, and again within what is left of it.
    sink.fault = (_, first) => (first >= 20 && first < 30 && faults-- > 0 ? 3 : undefined)
    const { job } = await replay(scene, sink)
    expect(job).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
    expect(sink.writes.filter(({ target }) => target.origin.lane === '0').map(({ messages }) => messages.length)).toEqual([
      10, 10, 3, 3, 4, 10, 10, 10, 10, 10, 10, 5,
    ])
  })

  it('asks the target what it holds where an answer never came', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    let isLost = true
    const { writeStored } = sink
    sink.writeStored = async (target, stored, signal) => {
      const delivery = await writeStored(target, stored, signal)
      if (!isLost || target.origin.lane !== '0') return delivery
      isLost = false
      throw new MillpondError('DELIVERY_FAILED', 'no answer came')
    }
    sink.resumePosition = async ({ origin }) => (sink.positions('orders', origin.lane).at(-1) ?? -1) + 1
    const { job } = await replay(scene, sink, { lanes: ['0'] })
    expect(job).toMatchObject({ state: 'done', counts: { read: 95, delivered: 95 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
  })

  it('records what the target refuses', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    sink.refuse = (position) => (position === 42 ? 'too large' : undefined)
    const { job } = await replay(scene, sink)
    expect(job.counts).toMatchObject({ read: 125, delivered: 124, failed: 1 })
    expect(job.failures).toEqual([{ topic: 'orders', topicId: 'orders', lane: '0', position: 42, reason: 'too large' }])
  })

  it('is interrupted where the target stays away, and goes on where it was', async () => {
    await using scene = await openKafka()
    const sink = createRecordSink()
    sink.fault = (target, first) => (target.origin.lane === '0' && first >= 30 ? 0 : undefined)
    expect((await replay(scene, sink)).job).toMatchObject({ state: 'interrupted' })
    sink.fault = undefined
    const { job } = await runReplay('job-1', { ...scene, sink, nowMs: Date.now, retry }, never)
    expect(job).toMatchObject({ state: 'done', counts: { read: 125, delivered: 125 } })
    expect(sink.positions('orders', '0')).toEqual(range(0, 95))
  })

  it('fails where a block is damaged, and sends nothing of it', async () => {
    await using scene = await openKafka()
    const { store, index } = scene.archive
    const segment = (await Array.fromAsync(index.segments({ lanes: ['0'] })))[0]!
    const object = Uint8Array.from(await store.read(segment.key))
    object[segment.blocks[1]!.offset + 5]! ^= 1
    await store.put(segment.key, object)
    const sink = createRecordSink()
    const { job } = await replay(scene, sink, { lanes: ['0'] })
    expect(job).toMatchObject({ state: 'failed', error: { code: 'BLOCK_CORRUPT' } })
    expect(sink.positions('orders', '0').every((position) => position < 10)).toBe(true)
  })

  it('gives every message once and in order, whatever is meant and wherever it breaks off', async () => {
    const bound = fc.option(fc.nat(100), { nil: undefined })
    await fc.assert(
      fc.asyncProperty(bound, bound, fc.array(fc.nat(12), { maxLength: 6 }), fc.boolean(), async (from, to, faults, tells) => {
        await using scene = await openKafka()
        const sink = createRecordSink()
        const left = [...faults]
        sink.fault = () => left.shift()
        if (tells) {
          sink.resumePosition = async ({ origin }) => {
            const last = sink.positions('orders', origin.lane).at(-1)
            return last === undefined ? undefined : last + 1
          }
        }
        const positions = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
        const { job } = await replay(scene, sink, { lanes: ['0'], positions })
        let state = job.state
        while (state === 'interrupted') {
          state = (await runReplay('job-1', { ...scene, sink, nowMs: Date.now, retry }, never)).job.state
        }
        expect(state).toBe('done')
        const end = Math.min(95, to ?? 95)
        expect(sink.positions('orders', '0')).toEqual(range(Math.min(from ?? 0, end), end))
      }),
      { numRuns: 40 },
    )
  })
})
