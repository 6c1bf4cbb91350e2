import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseIsoTime } from '../../src/layout/iso-time.ts'
import { createTimeFormat, type PatternFlavour } from '../../src/layout/time-pattern.ts'
import { createZone, toUtcLeniently, type Zone } from '../../src/layout/zone.ts'

// What Joda-Time 2.12.7 and java.time of Java 17 gave: buckets around changes of offsets and before 1970, patterns, ISO 8601 text.
const read = (file: string): unknown => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'))
const buckets = read('joda-buckets.json') as [zone: string, durationMs: number, utcMs: number, bucketMs: number, text: string][]
const patterns = read('java-patterns.json') as [PatternFlavour, pattern: string, zone: string, locale: string, texts: string[]][]
const isoTimes = read('joda-iso-times.json') as [text: string, utcMs: number | null][]

/** The moments of each entry of `patterns`. */
const MOMENTS = [
  0, -1, 1_515_024_000_000, 1_514_764_799_999, 1_546_300_799_123, 951_782_400_000, -62_135_596_800_001, -99_999_999_999_999,
  4_102_444_800_000, 253_402_300_800_000, 1_582_934_399_000,
]

const zoneOf = (id: string): Zone => createZone(id)!

describe('buckets of time', () => {
  it('are those of Joda-Time, bit for bit', () => {
    const pattern = "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH/mm-ss"
    const wrong = buckets.filter(([id, durationMs, utcMs, bucketMs, text]) => {
      const zone = zoneOf(id)
      const cut = Math.trunc((utcMs + zone.offsetAt(utcMs)) / durationMs) * durationMs
      const format = createTimeFormat(pattern, { zone, locale: 'en', flavour: 'joda' })
      return toUtcLeniently(cut, zone) !== bucketMs || format.text(bucketMs) !== text
    })
    expect(buckets.length).toBeGreaterThan(300)
    expect(wrong).toEqual([])
  })
})

describe('createTimeFormat', () => {
  it('writes what Joda-Time and java.time write', () => {
    const wrong = patterns.flatMap(([flavour, pattern, zone, locale, texts]) => {
      const format = createTimeFormat(pattern, { zone: zoneOf(zone), locale, flavour })
      return MOMENTS.flatMap((utcMs, i) =>
        format.text(utcMs) === texts[i] ? [] : [[flavour, pattern, zone, utcMs, texts[i], format.text(utcMs)]],
      )
    })
    expect(patterns.length).toBeGreaterThan(400)
    expect(wrong).toEqual([])
  })

  it('knows names of other languages, in the form that stands beside a day', () => {
    const options = { zone: zoneOf('UTC'), locale: 'ru', flavour: 'joda' } as const
    expect(createTimeFormat('d MMMM', options).text(0)).toBe('1 января')
    expect(createTimeFormat('EEEE d. MMMM', { ...options, locale: 'de_AT' }).text(0)).toBe('Donnerstag 1. Jänner')
  })

  it.each([
    ['joda', "year='YYYY'", '"r"'],
    ['joda', "'year=YYYY", 'not closed'],
    ['joda', '///', 'no letter'],
    ['java', 'ddd', '"ddd"'],
    ['java', 'yyyy{}', 'single quotes'],
    ['java', 'VVV', '"VVV"'],
  ] as const)('refuses for %s the pattern %j: %s', (flavour, pattern, reason) => {
    expect(() => createTimeFormat(pattern, { zone: zoneOf('UTC'), locale: 'en', flavour })).toThrow(reason)
  })

  it('refuses a locale that is none', () => {
    expect(() => createTimeFormat('yyyy', { zone: zoneOf('UTC'), locale: '!', flavour: 'joda' })).toThrow('no locale')
  })
})

describe('createZone', () => {
  it.each([
    ['UTC', 0],
    ['Z', 0],
    ['+02:00', 7_200_000],
    ['GMT-3', -10_800_000],
    ['-0330', -12_600_000],
    ['Europe/Berlin', 3_600_000],
    ['Asia/Kathmandu', 19_800_000],
  ])('knows %s', (id, offsetMs) => {
    expect(zoneOf(id).offsetAt(0)).toBe(offsetMs)
  })

  it.each(['', 'Europe/Nowhere', '+25:00', 'local', '+02:60'])('knows no zone %j', (id) => {
    expect(createZone(id)).toBeUndefined()
  })

  it('finds the moment at which an offset changes', () => {
    const zone = zoneOf('Europe/Berlin')
    const change = Date.UTC(2018, 2, 25, 1)
    expect(zone.spanAt(change - 1)).toMatchObject({ until: change, offsetMs: 3_600_000 })
    expect(zone.spanAt(change)).toMatchObject({ from: change, offsetMs: 7_200_000 })
  })

  it('knows offsets at the ends of time', () => {
    expect(zoneOf('America/New_York').offsetAt(8_639_800_000_000_000)).toBe(-14_400_000)
    expect(zoneOf('America/New_York').offsetAt(-8_639_800_000_000_000)).toBe(-17_762_000)
  })
})

describe('parseIsoTime', () => {
  // A year past what `Date` can hold is none here.
  it.each(isoTimes.filter(([, utcMs]) => utcMs === null || Math.abs(utcMs) < 8e15))(
    'reads %j as Joda-Time does: %s',
    (text, utcMs) => {
      expect(parseIsoTime(text, zoneOf('UTC')) ?? null).toBe(utcMs)
    },
  )

  it('reads text without an offset in the zone', () => {
    expect(parseIsoTime('2018-07-04T00:00', zoneOf('Europe/Berlin'))).toBe(Date.UTC(2018, 6, 3, 22))
    expect(parseIsoTime('2018-07-04T00:00Z', zoneOf('Europe/Berlin'))).toBe(Date.UTC(2018, 6, 4))
  })

  it('takes no year that a calendar here has not', () => {
    expect(parseIsoTime('20180104', zoneOf('UTC'))).toBeUndefined()
  })
})
