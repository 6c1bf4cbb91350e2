import { describe, expect, it } from 'vitest'
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatMessages,
  formatShare,
  formatTable,
  formatTime,
} from '../../src/cli/format.ts'
import { countLines, firstLines, lineChunks, createStreamReader } from '../../src/cli/line-chunks.ts'
import { positionsOf, timeOf } from '../../src/cli/parse.ts'
import { progressLine } from '../../src/cli/progress.ts'
import { targetOf } from '../../src/cli/replay-options.ts'

describe('formats for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 KB'],
    [1_234_567, '1.2 MB'],
    [99_949_999, '99.9 MB'],
    [340_000_000, '340 MB'],
    [999_600_000, '1.0 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })

  it.each([
    [0.4, '0 ms'],
    [12, '12 ms'],
    [3400, '3.4 s'],
    [59_949, '59.9 s'],
    [59_960, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [12_000_000, '3 h 20 min'],
  ])('%d ms are %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it('groups counts, and knows one from many', () => {
    expect(formatCount(1_234_567)).toBe('1,234,567')
    expect([formatMessages(1), formatMessages(2)]).toEqual(['1 message', '2 messages'])
    expect([formatShare(4, 1000), formatShare(0, 0)]).toEqual(['0.4 %', '0 %'])
  })

  it('shows times that no date can say as they are', () => {
    expect([formatTime(0), formatTime(Number.MAX_SAFE_INTEGER)]).toEqual(['1970-01-01T00:00:00.000Z', '9007199254740991'])
  })

  it('aligns columns, numbers at the right', () => {
    expect(
      formatTable([
        ['topic', 'lag'],
        ['a', '5'],
        ['orders', '1,000'],
      ]),
    ).toBe('topic     lag\na           5\norders  1,000')
  })

  it('puts count, rate, share and time left on a progress line that fits the terminal', () => {
    const state = { count: 500_000, bytes: 100_000_000, fraction: 0.25 }
    expect(progressLine('ingesting', state, 1000, 200)).toBe('ingesting  500,000 messages  500,000/s  100 MB  25 %  3.0 s left')
    expect(progressLine('ingesting', state, 1000, 20)).toHaveLength(19)
  })
})

describe('options', () => {
  const NOW_MS = Date.UTC(2026, 10, 21)
  const time = timeOf('--from', () => NOW_MS)
  it.each([
    ['now', NOW_MS],
    ['-1h', NOW_MS - 3_600_000],
    ['+1d', NOW_MS + 86_400_000],
    ['1795248000000', 1_795_248_000_000],
    ['-5', -5],
    ['2026-11-20', NOW_MS - 86_400_000],
    ['2026-11-20T00:00:00+01:00', NOW_MS - 90_000_000],
  ])('reads the time %s', (text, ms) => {
    expect(time(text)).toBe(ms)
  })
  it.each(['', 'yesterday', '-1x', '2026-13-01', '1.5'])('refuses the time %j', (text) => {
    expect(() => time(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it.each([
    ['5..9', { from: 5, to: 9 }],
    ['5..', { from: 5 }],
    ['..9', { to: 9 }],
    ['7', { from: 7, to: 8 }],
  ])('reads the positions %s', (text, positions) => {
    expect(positionsOf(text)).toEqual(positions)
  })
  it.each(['', '-1', '1..x', 'a'])('refuses the positions %j', (text) => {
    expect(() => positionsOf(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })

  it.each([
    ['topic:a:b', { kind: 'topic', topic: 'a:b' }],
    ['local:a', { kind: 'local', topic: 'a' }],
    ['kafka:a', { kind: 'kafka', topic: 'a' }],
    ['file:/x/y', { kind: 'file', path: '/x/y' }],
    ['-', { kind: 'file', path: '-' }],
    ['https://example.org/in', { kind: 'http', url: 'https://example.org/in' }],
  ])('reads the target %s', (text, target) => {
    expect(targetOf(text)).toEqual(target)
  })
  it.each(['', 'topic:', 'ftp://x', 'orders'])('refuses the target %j', (text) => {
    expect(() => targetOf(text)).toThrow(expect.objectContaining({ code: 'USAGE' }))
  })
})

describe('line chunks', () => {
  const text = Array.from({ length: 200 }, (_, n) => `${'x'.repeat((n * 7) % 50)}${n}`).join('\n')

  async function* parts(bytes: Uint8Array, size: number) {
    for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
  }

  it.each([
    { partBytes: 1, chunkBytes: 64 },
    { partBytes: 7, chunkBytes: 16 },
    { partBytes: 5000, chunkBytes: 100 },
    { partBytes: 100_000, chunkBytes: 100_000 },
  ])(
    'are whole lines in order, from parts of $partBytes in chunks of $chunkBytes bytes, also when arrays are used again',
    async ({ partBytes, chunkBytes }) => {
      const bytes = Buffer.from(text)
      const seen: string[] = []
      let nextLine = 1
      for await (const chunk of lineChunks(createStreamReader(parts(bytes, partBytes)), chunkBytes)) {
        expect(chunk.firstLine).toBe(nextLine)
        nextLine += chunk.lines
        seen.push(Buffer.from(chunk.bytes).toString())
        chunk.release()
      }
      expect(seen.slice(0, -1).every((chunk) => chunk.endsWith('\n'))).toBe(true)
      expect(seen.join('')).toBe(text)
      expect(nextLine).toBe(201)
    },
  )

  it('are counted and cut by lines', () => {
    const bytes = Buffer.from('a\n\nb\nc')
    expect([countLines(bytes), countLines(Buffer.from('a\n')), countLines(Buffer.alloc(0))]).toEqual([4, 1, 0])
    expect([0, 1, 2, 9].map((lines) => firstLines(bytes, lines).toString())).toEqual(['', 'a\n', 'a\n\n', 'a\n\nb\nc'])
  })
})
