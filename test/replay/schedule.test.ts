import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkRule,
  chooseFire,
  fired,
  fireToMake,
  nextFire,
  type ReplaySchedule,
  steered,
  troubled,
  upcoming,
} from '../../src/replay/schedule.ts'
import { scheduleOf } from '../contract/schedules.ts'

const at = (text: string): number => Date.parse(text)
const text = (ms: number | null | undefined) => (ms === undefined || ms === null ? ms : new Date(ms).toISOString().slice(0, 16))
const HOUR_MS = 3_600_000

/** Fires from a moment on. */
function firesOf(cron: string, zone: string, from: string, count: number): string[] {
  const fires: string[] = []
  let ms = at(from)
  while (fires.length < count) {
    ms = nextFire({ cron, zone }, ms)!
    fires.push(text(ms)!)
  }
  return fires
}

describe('a fire', () => {
  it.each([
    {
      because: 'a time of day is that of the zone',
      cron: '0 3 * * *',
      zone: 'Europe/Berlin',
      from: '2026-01-01T00:00:00Z',
      fires: ['2026-01-01T02:00', '2026-01-02T02:00'],
    },
    {
      because: 'a time that the clocks leave out comes when it would have been',
      cron: '30 2 * * *',
      zone: 'Europe/Berlin',
      from: '2026-03-28T00:00:00Z',
      fires: ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
    },
    {
      because: 'a time that comes twice fires once',
      cron: '30 2 * * *',
      zone: 'Europe/Berlin',
      from: '2026-10-24T00:00:00Z',
      fires: ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30'],
    },
    {
      because: 'every hour goes through the hour that comes twice',
      cron: '0 * * * *',
      zone: 'Europe/Berlin',
      from: '2026-10-24T23:30:00Z',
      fires: ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00', '2026-10-25T03:00'],
    },
    {
      because: 'every half an hour goes on over the hour that is left out',
      cron: '*/30 * * * *',
      zone: 'Europe/Berlin',
      from: '2026-03-29T00:00:00Z',
      fires: ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30'],
    },
    {
      because: 'clocks change by half an hour on Lord Howe Island',
      cron: '45 1 * * *',
      zone: 'Australia/Lord_Howe',
      from: '2026-04-03T00:00:00Z',
      fires: ['2026-04-03T14:45', '2026-04-04T14:45', '2026-04-05T15:15'],
    },
    {
      because: 'midnight was left out in São Paulo',
      cron: '@daily',
      zone: 'America/Sao_Paulo',
      from: '2018-11-03T00:00:00Z',
      fires: ['2018-11-03T03:00', '2018-11-04T03:00', '2018-11-05T02:00'],
    },
    {
      because: 'Samoa had no 30 December 2011',
      cron: '0 12 * * *',
      zone: 'Pacific/Apia',
      from: '2011-12-29T00:00:00Z',
      fires: ['2011-12-29T22:00', '2011-12-30T22:00'],
    },
    {
      because: 'leap days are rare',
      cron: '0 0 29 2 *',
      zone: 'UTC',
      from: '2026-01-01T00:00:00Z',
      fires: ['2028-02-29T00:00', '2032-02-29T00:00'],
    },
    {
      because: 'a day of the month or one of the week is enough',
      cron: '0 0 13 * FRI',
      zone: 'UTC',
      from: '2026-11-06T00:00:00Z',
      fires: [
        '2026-11-13T00:00',
        '2026-11-20T00:00',
        '2026-11-27T00:00',
        '2026-12-04T00:00',
        '2026-12-11T00:00',
        '2026-12-13T00:00',
      ],
    },
  ])('$cron in $zone: $because', ({ cron, zone, from, fires }) => {
    expect(firesOf(cron, zone, from, fires.length)).toEqual(fires)
  })

  it('is the same whenever it is asked for', () => {
    const zones = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'UTC', 'Asia/Kathmandu']
    const crons = ['30 2 * * *', '*/20 2 * * *', '15 * * * *', '0 0 1 * *']
    const moments = [
      at('2026-03-08T00:00:00Z'),
      at('2026-03-29T00:00:00Z'),
      at('2026-10-25T00:00:00Z'),
      at('2026-11-01T00:00:00Z'),
    ]
    const property = fc.property(
      fc.constantFrom(...zones),
      fc.constantFrom(...crons),
      fc.constantFrom(...moments),
      fc.integer({ min: -48, max: 48 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (zone, cron, moment, hours, share) => {
        const rule = { cron, zone }
        const fromMs = moment + hours * HOUR_MS
        const fireMs = nextFire(rule, fromMs)!
        expect(fireMs).toBeGreaterThan(fromMs)
        const between = fromMs + Math.floor((fireMs - fromMs) * share)
        expect(text(nextFire(rule, between))).toBe(text(fireMs))
      },
    )
    fc.assert(property, { numRuns: 200 })
  })

  it.each([
    { path: 'cron', rule: { cron: '0 3 * *' } },
    { path: 'cron', rule: { cron: '* * * * * *' } },
    { path: 'cron', rule: { cron: '61 * * * *' } },
    { path: 'cron', rule: { cron: '2026-12-01T00:00:00' } },
    { path: 'cron', rule: { cron: '@never' } },
    { path: 'cron', rule: { cron: '0 0 31 2 *' } },
    { path: 'cron', rule: { cron: '' } },
    { path: 'zone', rule: { zone: 'Europe/Nowhere' } },
    { path: 'zone', rule: { zone: '+02:00' } },
    { path: 'zone', rule: { zone: '' } },
    { path: 'window', rule: { window: { kind: 'last', ms: 0 } } as const },
    { path: 'name', rule: {}, name: 'no spaces' },
    { path: 'name', rule: {}, name: '' },
    { path: 'window', rule: {}, query: { timestamps: { from: 1 } } },
  ])('cannot be of $rule, and $path is named', ({ rule, path, name = 'a', query = {} }) => {
    const schedule = { ...scheduleOf('a'), ...rule }
    const check = () => checkRule(name, schedule, { ...schedule.request, query })
    expect(check).toThrow(expect.objectContaining({ code: 'INPUT_INVALID', details: { path } }))
  })
})

/** A schedule of every hour that was made at 00:10. */
const hourly = (fields: Partial<ReplaySchedule> = {}): ReplaySchedule =>
  scheduleOf('a', {
    cron: '0 * * * *',
    zone: 'UTC',
    nextFireMs: at('2026-01-01T01:00:00Z'),
    coveredMs: at('2026-01-01T00:10:00Z'),
    ...fields,
  })

describe('a choice', () => {
  const windowAt = (schedule: ReplaySchedule, time: string) => {
    const firing = chooseFire(schedule, at(time))?.firing
    return firing && [text(firing.fromMs), text(firing.toMs)]
  }
  const last = { window: { kind: 'last', ms: 2 * HOUR_MS }, missed: 'latest' } as const

  it.each([
    { because: 'it is not time yet', now: '2026-01-01T00:59:59Z', window: undefined },
    {
      because: 'the first goes back to when it was made',
      now: '2026-01-01T01:00:00Z',
      window: ['2026-01-01T00:10', '2026-01-01T01:00'],
    },
    {
      because: 'one late is the one that was due',
      now: '2026-01-01T01:59:00Z',
      window: ['2026-01-01T00:10', '2026-01-01T01:00'],
    },
    {
      because: 'all that were missed come in order',
      now: '2026-01-01T09:00:00Z',
      window: ['2026-01-01T00:10', '2026-01-01T01:00'],
    },
    {
      because: 'only the latest counts, and covers what the others would have',
      fields: { missed: 'latest' } as const,
      now: '2026-01-01T09:30:00Z',
      window: ['2026-01-01T00:10', '2026-01-01T09:00'],
    },
    {
      because: 'a window of a length has it',
      fields: last,
      now: '2026-01-01T09:30:00Z',
      window: ['2026-01-01T07:00', '2026-01-01T09:00'],
    },
    {
      because: 'years are no trouble',
      fields: last,
      now: '2036-01-01T09:30:00Z',
      window: ['2036-01-01T07:00', '2036-01-01T09:00'],
    },
    { because: 'the delay is waited for', fields: { delayMs: 60_000 }, now: '2026-01-01T01:00:59Z', window: undefined },
    {
      because: 'the window ends at the fire, not with the delay',
      fields: { delayMs: 60_000 },
      now: '2026-01-01T01:01:00Z',
      window: ['2026-01-01T00:10', '2026-01-01T01:00'],
    },
    {
      because: 'a fire within the delay is not the latest yet',
      fields: { ...last, delayMs: 20 * 60_000 },
      now: '2026-01-01T05:10:00Z',
      window: ['2026-01-01T02:00', '2026-01-01T04:00'],
    },
    { because: 'it rests', fields: { isPaused: true }, now: '2026-01-01T09:00:00Z', window: undefined },
    { because: 'there is no more to come', fields: { nextFireMs: null }, now: '2026-01-01T09:00:00Z', window: undefined },
  ])('at $now is $window: $because', ({ fields = {}, now, window }) => {
    expect(windowAt(hourly(fields), now)).toEqual(window)
  })

  it('is the last of those that are walked through', () => {
    const rule = fc.constantFrom('*/7 * * * *', '30 2 * * *', '0 0 1 * *', '0 9-17 * * MON-FRI')
    const property = fc.property(rule, fc.integer({ min: 0, max: 60 * 24 * 40 }), (cron, minutes) => {
      const first = nextFire({ cron, zone: 'Europe/Berlin' }, at('2026-10-01T00:00:00Z'))!
      const nowMs = first + minutes * 60_000
      let walked = first
      for (let next = first; next <= nowMs; next = nextFire({ cron, zone: 'Europe/Berlin' }, next)!) walked = next
      const schedule = hourly({ cron, zone: 'Europe/Berlin', missed: 'latest', nextFireMs: first })
      const chosen = chooseFire(schedule, nowMs)!
      expect(text(chosen.firing?.fireMs)).toBe(text(walked))
      expect(chosen.nextFireMs).toBeGreaterThan(nowMs)
    })
    fc.assert(property, { numRuns: 20 })
  })

  it('holds until its job is there, whatever the time', () => {
    const now = at('2026-01-01T01:00:00Z')
    const chosen = chooseFire(hourly(), now)!
    expect(chooseFire(chosen, now + 100 * HOUR_MS)).toBeUndefined()
    expect(fireToMake(chosen, now)).toEqual(chosen.firing)
    expect(fireToMake({ ...chosen, isPaused: true }, now)).toBeUndefined()
    const broken = troubled(chosen, { code: 'STORE_UNAVAILABLE', message: 'away' }, now)
    expect([fireToMake(broken, now + 59_000), fireToMake(broken, now + 60_000)]).toEqual([undefined, chosen.firing])
    expect(fired(broken, 'job')).toMatchObject({ firing: null, lastFireMs: now, lastJob: 'job', trouble: null })
  })
})

describe('a pause', () => {
  const late = at('2026-01-01T09:30:00Z')
  it.each([
    { because: 'all is made up for', fields: {}, next: '2026-01-01T01:00' },
    { because: 'what fell into it is left out', fields: { missed: 'latest' } as const, next: '2026-01-01T10:00' },
    {
      because: 'a fire whose delay is not over is not past',
      fields: { missed: 'latest', delayMs: 45 * 60_000 } as const,
      next: '2026-01-01T09:00',
    },
  ])('ends with $next: $because', ({ fields, next }) => {
    const resumed = steered(steered(hourly(fields), true, 0), false, late)
    expect([resumed.isPaused, text(resumed.nextFireMs), text(resumed.coveredMs)]).toEqual([false, next, '2026-01-01T00:10'])
  })

  it('is one however often it is asked for', () => {
    const paused = steered(hourly(), true, 0)
    expect(steered(paused, true, 0)).toBe(paused)
  })
})

it('what comes next is told with its windows', () => {
  const fires = upcoming(chooseFire(hourly(), at('2026-01-01T01:00:00Z'))!, 3)
  expect(fires.map(({ fromMs, toMs }) => [text(fromMs), text(toMs)])).toEqual([
    ['2026-01-01T00:10', '2026-01-01T01:00'],
    ['2026-01-01T01:00', '2026-01-01T02:00'],
    ['2026-01-01T02:00', '2026-01-01T03:00'],
  ])
})
