import { describe, expect, it } from 'vitest'
import { collectGarbage } from '../../src/commit/collect.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Layout } from '../../src/layout/layout.ts'
import type { Store } from '../../src/store/store.ts'
import { layoutOf } from '../layout/layout-of.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { until } from '../live/until.ts'
import { archiver, byKey, commitsOf, listed, messages, openStore, options } from './split-scene.ts'

const hourly = (key = '{topic}/{wallclock:HH}/{lane}-{position:4}.{extension}') =>
  layoutOf({ type: 'template', template: { key } })

const at = (time: string) => () => Date.parse(`2026-11-29T${time}Z`)

/** Its lanes are given at once: a run that ends by itself need not wait for more of them. */
function sourceOf(...batches: ReturnType<typeof messages>[]) {
  const source = createMemorySource('orders')
  for (const batch of batches) source.produce('0', batch)
  return { ...source, joined: async () => undefined }
}

const notes = (store: Store) => Array.fromAsync(store.list('_millpond/orders/_clock/'), ({ key }) => key)

/** A store in which nothing is committed any more. */
const withoutCommits = (store: Store): Store => ({
  ...store,
  putIfAbsent: async (key, ...rest) => {
    if (/^_millpond\/.*\d\.avro$/u.test(key)) throw new MillpondError('STORE_REFUSED', 'dead')
    return store.putIfAbsent(key, ...rest)
  },
})

/** A store whose first call of this kind for such a key waits until it is let go. */
function pausing(store: Store, { on, key }: { readonly on: 'putIfAbsent' | 'read'; readonly key: RegExp }) {
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const pause = async (call: string, asked: string): Promise<void> => {
    if (call !== on || !key.test(asked)) return
    reached.resolve()
    await released.promise
  }
  const paused: Store = {
    ...store,
    putIfAbsent: async (...args) => pause('putIfAbsent', args[0]).then(() => store.putIfAbsent(...args)),
    read: async (...args) => pause('read', args[0]).then(() => store.read(...args)),
  }
  return { store: paused, reached: reached.promise, release: () => released.resolve() }
}

async function expectOnce(store: Store, count: number): Promise<void> {
  const named = (await commitsOf(store)).flatMap(({ segments }) => segments.map(({ key }) => key))
  expect((await listed(store)).toSorted()).toEqual(named.toSorted())
  expect(await verifyArchive(store)).toMatchObject({ clean: true, messages: count })
}

describe('a commit whose names are made of the wall clock', () => {
  it('is made again as its note says when the one who began it is gone, though hours have passed', async () => {
    const layout = await hourly()
    const source = sourceOf(messages(0, 30))
    const store = openStore()
    const first = archiver(source).run(withoutCommits(store), { layout }, { nowMs: at('10:20') })
    await expect(first).rejects.toThrow('dead')
    expect(await notes(store)).toEqual(['_millpond/orders/_clock/0/0000000000000000.json'])
    source.produce('0', messages(30, 50))
    source.reassign('0')
    await archiver(source).run(store, { layout, writer: 'w2' }, { nowMs: at('13:00') })
    expect(await listed(store)).toEqual(['orders/10/0-0000.avro', 'orders/13/0-0030.avro'])
    await expectOnce(store, 50)
  })

  it('ends where its note says, in the middle of a batch and behind positions without a message', async () => {
    const layout = await hourly()
    const source = sourceOf(messages(0, 10))
    source.pass('0', 14)
    const store = openStore()
    await expect(archiver(source).run(withoutCommits(store), { layout }, { nowMs: at('10:20') })).rejects.toThrow('dead')
    const all = sourceOf([...messages(0, 10), ...messages(14, 20)])
    await archiver(all).run(store, { layout, writer: 'w2' }, { nowMs: at('11:00') })
    expect(await listed(store)).toEqual(['orders/10/0-0000.avro', 'orders/11/0-0014.avro'])
    expect((await commitsOf(store)).map(({ nextPosition }) => nextPosition)).toContain(14)
    await expectOnce(store, 16)
  })

  it('holds messages of one hour: one that is read in the next belongs to the next commit', async () => {
    const template = await hourly()
    let taken = 0
    const layout: Layout = {
      ...template,
      openLane(lane) {
        const names = template.openLane(lane)
        const assign: typeof names.assign = (batch, context) => {
          taken += batch.count
          return names.assign(batch, context)
        }
        return { ...names, assign }
      },
    }
    const source = sourceOf(messages(0, 10))
    const store = openStore()
    let nowMs = at('10:59')()
    const stop = new AbortController()
    const scene = archiver(source)
    const running = scene.run(store, { layout, untilCaughtUp: false }, { nowMs: () => nowMs }, stop)
    await until(() => taken === 10, 'the first messages')
    nowMs = at('11:01')()
    source.produce('0', messages(10, 20))
    await until(() => source.acknowledged.get('0') === 10, 'the commit')
    stop.abort()
    await running
    expect(scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))).toEqual(['schedule', 'stop'])
    expect(await listed(store)).toEqual(['orders/10/0-0000.avro', 'orders/11/0-0010.avro'])
  })

  it('is closed by an object that is full, and by too many, for none may be seen before it ends', async () => {
    const layout = await hourly('{topic}/{wallclock:HH}/{key}/{lane}-{position:4}.{extension}')
    const source = sourceOf(...[0, 20, 40].map((from) => messages(from, from + 20, 'a', 500)), messages(60, 70))
    const store = openStore()
    const scene = archiver(source)
    const rotate = { ...options.rotate, maxBytes: 4096 }
    const changes = { layout, rotate, blockBytes: 1024, maxOpenObjects: 9, codec: 'null', graceMs: 1 } as const
    await scene.run(store, changes, { nowMs: at('10:00') })
    const causes = scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))
    expect(new Set(causes)).toEqual(new Set(['objects']))
    await expectOnce(store, 70)
    const wide = openStore()
    source.reassign('0')
    const one = await hourly()
    await scene.run(wide, { ...changes, layout: one }, { nowMs: at('10:00') })
    expect(scene.events.flatMap((event) => (event.kind === 'committed' ? [event.cause] : []))).toContain('bytes')
    await expectOnce(wide, 70)
  })

  it('is left to the writer who noted it first', async () => {
    const layout = await hourly()
    const store = openStore()
    const late = pausing(store, { on: 'putIfAbsent', key: /_clock/u })
    const scene = archiver(sourceOf(messages(0, 30)))
    const second = scene.run(late.store, { layout, writer: 'w2' }, { nowMs: at('12:00') })
    await late.reached
    const other = archiver(sourceOf(messages(0, 30))).run(withoutCommits(store), { layout }, { nowMs: at('10:00') })
    await expect(other).rejects.toThrow('dead')
    late.release()
    await second
    expect(scene.events.map(({ kind }) => kind)).toContain('race-lost')
    expect(await listed(store)).toEqual(['orders/10/0-0000.avro'])
    await expectOnce(store, 30)
  })

  it('shows nothing of writers who slept until its note was removed, for the chain has passed it', async () => {
    const layout = await hourly()
    const store = openStore()
    const run = (through: Store, writer: string, time: string) =>
      archiver(sourceOf(messages(0, 30))).run(through, { layout, writer }, { nowMs: at(time) })
    // One is about to write its note, the other about to look for one.
    const first = pausing(store, { on: 'putIfAbsent', key: /_clock/u })
    const second = pausing(store, { on: 'read', key: /_clock/u })
    const firstSleeps = run(first.store, 'w2', '12:00')
    const secondSleeps = run(second.store, 'w3', '13:00')
    await Promise.all([first.reached, second.reached])
    await run(store, 'w1', '10:00')
    await collectGarbage(store, { olderThanMs: 0, nowMs: Date.now() + 1000 })
    expect(await notes(store)).toEqual([])
    first.release()
    await firstSleeps
    // What it noted in vain lies there now, and the other finds it.
    expect(await notes(store)).toHaveLength(1)
    second.release()
    await secondSleeps
    expect(await listed(store)).toEqual(['orders/10/0-0000.avro'])
    await expectOnce(store, 30)
  })

  it.each([
    { what: 'is none', note: 'not ours', why: 'it is no note of the wall clock' },
    { what: 'ends before it begins', note: '{"timeMs":1,"nextPosition":0}', why: 'it is no note of the wall clock' },
    {
      what: 'tells of more than there is',
      note: '{"timeMs":1,"nextPosition":31}',
      why: 'position 31, which the source does not have',
    },
  ])('stops where its note $what, and says what to do', async ({ note, why }) => {
    const source = sourceOf(messages(0, 30))
    const store = openStore()
    await store.put('_millpond/orders/_clock/0/0000000000000000.json', new TextEncoder().encode(note))
    const running = archiver(source).run(store, { layout: await hourly() })
    await expect(running).rejects.toThrow(
      expect.objectContaining({ code: 'NAME_TAKEN', message: expect.stringContaining(why) as string }),
    )
    expect(await listed(store)).toEqual([])
  })

  it('costs one note, and layouts without the clock, or with names of their own for each writer, none', async () => {
    const named = '{topic}/{wallclock:HH}/{lane}-{position:4}-{writer}.{extension}'
    for (const [layout, count] of [
      [await hourly(), 3],
      [await hourly(named), 0],
      [byKey, 0],
    ] as const) {
      const source = sourceOf(messages(0, 30))
      const store = openStore()
      await archiver(source).run(store, { layout, rotate: { ...options.rotate, maxCount: 10 } }, { nowMs: at('10:00') })
      expect(await notes(store)).toHaveLength(count)
      await expectOnce(store, 30)
    }
  })

  it('gives a topic that was made again notes of its own', async () => {
    const layout = await hourly()
    const store = openStore()
    for (const [topicId, time] of [
      ['old', '10:00'],
      ['new', '11:00'],
    ] as const) {
      const source = createMemorySource('orders', topicId)
      source.produce('0', messages(0, 10))
      await archiver({ ...source, joined: async () => undefined }).run(store, { layout, writer: topicId }, { nowMs: at(time) })
    }
    const keys = await Array.fromAsync(store.list('_millpond/'), ({ key }) => key)
    expect(keys.filter((key) => key.includes('/_clock/')).map((key) => key.replace(/@[0-9a-f]{16}/u, '@id'))).toEqual([
      '_millpond/orders/_clock/0/0000000000000000.json',
      '_millpond/orders@id/_clock/0/0000000000000000.json',
    ])
    await expectOnce(store, 20)
  })
})
