import { describe, expect, it } from 'vitest'
import { parseDuration, parseSize } from '../../src/config/units.ts'

describe('parseSize', () => {
  it.each([
    ['1000', 1000],
    ['256 MiB', 268_435_456],
    ['256MB', 256_000_000],
    ['1.5 GiB', 1_610_612_736],
    ['10k', 10_000],
    ['10 KiB', 10_240],
    ['2 Ti', 2_199_023_255_552],
    [7, 7],
  ])('counts %s as %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })
  it.each(['', '1 XB', '-1 MB', '1e6', 'MiB', '1 MiB 2', -1, 1.5, '99999999 TiB'])('does not take %s', (text) => {
    expect(parseSize(text)).toBeUndefined()
  })
})

describe('parseDuration', () => {
  it.each([
    ['250', 250],
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5 min', 90_000],
    ['1h30m', 5_400_000],
    ['1 day 2 hours', 93_600_000],
    ['2 weeks', 1_209_600_000],
    [9, 9],
  ])('counts %s as %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })
  it.each(['', 's', '10 years', '-1s', '1h 30', 'P1D', -1, 0.5])('does not take %s', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})
