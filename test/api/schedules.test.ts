import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fireDue } from '../../src/replay/schedules.ts'
import { type JobsScene, jsonOf, openJobsScene } from './jobs-scene.ts'

interface ScheduleJson {
  readonly id: string
  readonly name: string
  readonly isPaused: boolean
  readonly next: { readonly fireMs: number; readonly fromMs: number; readonly toMs: number; readonly dueMs: number } | null
}

const NOW_MS = Date.UTC(2026, 5, 1, 12)
const DAY_MS = 86_400_000
const NIGHTLY = {
  name: 'nightly',
  cron: '0 3 * * *',
  zone: 'Europe/Berlin',
  window: 'last:1d',
  delay: '5m',
  select: { topic: 'orders' },
  to: 'topic:again',
  note: 'for the report',
}

describe('schedules over HTTP', () => {
  let served: JobsScene
  let nowMs: number
  beforeEach(async () => {
    nowMs = NOW_MS
    served = await openJobsScene(() => nowMs)
  })
  afterEach(() => served[Symbol.asyncDispose]())

  const ask = async <T = ScheduleJson>(method: string, path: string, body?: unknown, caller?: string) => {
    const answer = await served.send(method, path, body, caller === undefined ? {} : { 'x-test-caller': caller })
    return { status: answer.status, location: answer.headers.get('location'), json: await jsonOf<T>(answer) }
  }
  const list = async (caller?: string) =>
    (await ask<{ schedules: ScheduleJson[] }>('GET', '/schedules', undefined, caller)).json.schedules.map(({ name }) => name)

  it('are made, shown, listed, paused, resumed and removed, by id or name', async () => {
    const { status, location, json } = await ask('POST', '/schedules', NIGHTLY)
    expect([status, location]).toEqual([201, `/schedules/${json.id}`])
    const fireMs = Date.UTC(2026, 5, 2, 1)
    expect(json).toMatchObject({
      name: 'nightly',
      requestedBy: 'anonymous',
      note: 'for the report',
      missed: 'latest',
      query: { topic: 'orders' },
      target: { kind: 'local', topic: 'again' },
      next: { fireMs, fromMs: fireMs - DAY_MS, toMs: fireMs, dueMs: fireMs + 300_000 },
    })
    expect((await ask('GET', location!)).json).toEqual(json)
    expect((await ask('GET', '/schedules/nightly')).json).toEqual(json)
    expect(await list()).toEqual(['nightly'])
    expect((await ask('POST', '/schedules/nightly/pause')).json).toMatchObject({ isPaused: true })
    expect((await ask('POST', `${location}/resume`)).json).toMatchObject({ isPaused: false, next: { fireMs } })
    expect((await ask('DELETE', '/schedules/nightly')).status).toBe(200)
    expect(await ask('GET', location!)).toMatchObject({ status: 404, json: { error: { code: 'SCHEDULE_UNKNOWN' } } })
    expect(await list()).toEqual([])
  })

  it('make jobs that name who asked, and are seen as others are', async () => {
    await ask('POST', '/schedules', { ...NIGHTLY, window: 'since-last' }, 'replayer')
    nowMs = Date.UTC(2026, 5, 2, 1, 5)
    await fireDue({
      jobs: served.scene.jobs,
      index: served.scene.archive.index,
      nowMs: () => nowMs,
      follow: async () => undefined,
    })
    const { json } = await ask<{ jobs: object[] }>('GET', '/jobs', undefined, 'replayer')
    expect(json.jobs).toMatchObject([
      {
        state: 'queued',
        requestedBy: 'replayer',
        note: 'for the report',
        query: { topic: 'orders', timestamps: { from: NOW_MS, to: Date.UTC(2026, 5, 2, 1) } },
      },
    ])
  })

  it.each([
    { body: {}, path: 'window' },
    { body: { ...NIGHTLY, window: 'last:' }, path: 'window' },
    { body: { ...NIGHTLY, window: 'yesterday' }, path: 'window' },
    { body: { ...NIGHTLY, cron: '0 3 * *' }, path: 'cron' },
    { body: { ...NIGHTLY, cron: undefined }, path: 'cron' },
    { body: { ...NIGHTLY, zone: 'Berlin' }, path: 'zone' },
    { body: { ...NIGHTLY, delay: 'long' }, path: 'delay' },
    { body: { ...NIGHTLY, missed: 'some' }, path: 'missed' },
    { body: { ...NIGHTLY, name: 'a/b' }, path: 'name' },
    { body: { ...NIGHTLY, key: 'once' }, path: 'key' },
    { body: { ...NIGHTLY, crom: '* * * * *' }, path: 'crom' },
    { body: { ...NIGHTLY, select: { topic: 'orders', from: '2026-01-01T00:00:00Z' } }, path: 'window' },
  ])('refuse $body and name $path', async ({ body, path }) => {
    expect(await ask('POST', '/schedules', body)).toMatchObject({ status: 400, json: { error: { code: 'INPUT_INVALID', path } } })
    expect(await list()).toEqual([])
  })

  it('refuse a second one of the name, and a body that is no JSON', async () => {
    await ask('POST', '/schedules', NIGHTLY)
    expect(await ask('POST', '/schedules', NIGHTLY)).toMatchObject({
      status: 409,
      json: { error: { code: 'SCHEDULE_CONFLICT' } },
    })
    const broken = await fetch(`${served.url}/schedules`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{',
    })
    expect(broken.status).toBe(400)
  })

  it('show no secrets of where they send to', async () => {
    const { json } = await ask('POST', '/schedules', { ...NIGHTLY, to: 'http://user:hunter2@127.0.0.1:1/in?token=hunter2' })
    expect(JSON.stringify([json, (await ask('GET', `/schedules`)).json])).not.toContain('hunter2')
  })

  it('need what their jobs need, and are nobody else’s to see', async () => {
    for (const body of [
      { ...NIGHTLY, select: { topic: 'other' } },
      { ...NIGHTLY, to: 'topic:elsewhere' },
      { ...NIGHTLY, select: {} },
      { ...NIGHTLY, to: 'http://127.0.0.1:1/in' },
    ])
      expect((await ask('POST', '/schedules', body, 'replayer')).status).toBe(403)
    expect((await ask('POST', '/schedules', NIGHTLY, 'reader')).status).toBe(403)
    await ask('POST', '/schedules', NIGHTLY, 'replayer')
    await ask('POST', '/schedules', { ...NIGHTLY, name: 'hidden', select: { topic: 'other' } })
    await ask('POST', '/schedules', { ...NIGHTLY, name: 'outward', to: 'http://127.0.0.1:1/in' })
    expect([await list('replayer'), await list('reader')]).toEqual([['nightly', 'outward'], []])
    for (const path of ['/schedules/hidden/pause', '/schedules/hidden/resume'])
      expect((await ask('POST', path, undefined, 'replayer')).status).toBe(404)
    expect((await ask('DELETE', '/schedules/hidden', undefined, 'replayer')).status).toBe(404)
    expect((await ask('GET', '/schedules/nightly', undefined, 'reader')).status).toBe(404)
    expect((await ask('DELETE', '/schedules/outward', undefined, 'replayer')).status).toBe(403)
    expect((await ask('DELETE', '/schedules/nightly', undefined, 'replayer')).status).toBe(200)
    expect(await list()).toEqual(['hidden', 'outward'])
  })
})
