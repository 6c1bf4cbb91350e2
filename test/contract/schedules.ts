import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JobStore } from '../../src/replay/jobs.ts'
import { newSchedule, type ReplaySchedule } from '../../src/replay/schedule.ts'
import { type JobStoreFixture, recordOf } from './job-store.ts'

/** A schedule of every day. */
export function scheduleOf(id: string, fields: Partial<ReplaySchedule> = {}): ReplaySchedule {
  const { query, target, options, note, requestedBy } = recordOf(id)
  const rule = { cron: '0 3 * * *', zone: 'Europe/Berlin', window: { kind: 'since-last' }, delayMs: 0, missed: 'all' } as const
  const made = newSchedule({ id, name: `name-${id}`, request: { query, target, options }, note, requestedBy, rule }, 1000)
  return { ...made, ...fields }
}

/** What every job store must hold to that keeps schedules. */
export function schedulesContract(name: string, openFixture: () => Promise<JobStoreFixture>): void {
  describe(`schedules contract: ${name}`, () => {
    let fixture: JobStoreFixture
    let stores: JobStore[]
    const another = async () => {
      const store = await fixture.open()
      stores.push(store)
      return store.schedules
    }
    beforeEach(async () => {
      fixture = await openFixture()
      stores = []
    })
    afterEach(async () => {
      for (const store of stores) await store[Symbol.asyncDispose]()
      await fixture[Symbol.asyncDispose]()
    })

    it('keeps what it was given, whole, for all', async () => {
      const [rows, others] = [await another(), await another()]
      expect([await rows.list(), await rows.get('a'), await rows.remove('a')]).toEqual([[], undefined, false])
      const [a, b] = [
        scheduleOf('a'),
        scheduleOf('b', { note: 'nightly \u0000 of Ürümqi', firing: { fireMs: 3, fromMs: -1, toMs: 3 } }),
      ]
      expect([await rows.insert(a), await others.insert(b)]).toEqual([true, true])
      expect(await others.get('a')).toEqual(a)
      expect(await rows.get('b')).toEqual(b)
      expect((await rows.list()).toSorted((x, y) => (x.id < y.id ? -1 : 1))).toEqual([a, b])
    })

    it('takes an id and a name once, until it is removed', async () => {
      const rows = await another()
      await rows.insert(scheduleOf('a', { note: 'first' }))
      expect(await rows.insert(scheduleOf('a', { name: 'other' }))).toBe(false)
      expect(await rows.insert(scheduleOf('b', { name: 'name-a' }))).toBe(false)
      expect(await rows.list()).toEqual([scheduleOf('a', { note: 'first' })])
      expect([await rows.remove('a'), await rows.remove('a'), await rows.get('a')]).toEqual([true, false, undefined])
      expect(await rows.insert(scheduleOf('c', { name: 'name-a' }))).toBe(true)
    })

    it('is changed by one of those who know the same version', async () => {
      const all = [await another(), await another(), await another()]
      await all[0]!.insert(scheduleOf('a'))
      for (let version = 0; version < 20; version++) {
        const changed = await Promise.all(
          all.map((rows, at) => rows.replace(scheduleOf('a', { version, note: `${version} ${at}` }))),
        )
        expect(changed.filter(Boolean)).toHaveLength(1)
        expect(await all[1]!.get('a')).toEqual(
          scheduleOf('a', { version: version + 1, note: `${version} ${changed.indexOf(true)}` }),
        )
      }
      expect(await all[0]!.replace(scheduleOf('a', { version: 19 }))).toBe(false)
      expect(await all[0]!.replace(scheduleOf('none'))).toBe(false)
      await all[0]!.remove('a')
      expect(await all[0]!.replace(scheduleOf('a', { version: 20 }))).toBe(false)
      expect(await all[0]!.list()).toEqual([])
    })
  })
}
