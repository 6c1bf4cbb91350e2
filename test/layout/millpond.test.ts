import { describe, expect, it } from 'vitest'
import { parseSegmentKey, segmentKey } from '../../src/layout/millpond.ts'

describe('segmentKey', () => {
  it('names the folder, the first position and the writer', () => {
    expect(segmentKey({ folder: 'orders/0', firstPosition: 42, writer: 'w1', extension: 'avro' })).toBe(
      'orders/0/0000000000000042-w1.avro',
    )
  })

  it('sorts as positions do', () => {
    const positions = [0, 9, 10, 999_999, 1_000_000, 2 ** 40, Number.MAX_SAFE_INTEGER]
    const keys = positions.map((firstPosition) => segmentKey({ folder: 'o/0', firstPosition, writer: 'w', extension: 'avro' }))
    expect(keys.toSorted()).toEqual(keys)
  })

  it('keeps the writer within its segment', () => {
    const key = segmentKey({ folder: 'o/0', firstPosition: 0, writer: '../../x', extension: 'avro' })
    expect(key).toBe('o/0/0000000000000000-%2E.%2F..%2Fx.avro')
  })

  it.each([-1, 0.5, Number.NaN, Number.MAX_SAFE_INTEGER + 1])('refuses the position %s', (firstPosition) => {
    expect(() => segmentKey({ folder: 'o/0', firstPosition, writer: 'w', extension: 'avro' })).toThrow(
      expect.objectContaining({ code: 'POSITION_INVALID' }),
    )
  })
})

describe('parseSegmentKey', () => {
  it.each([
    { folder: 'orders/0', firstPosition: 42, writer: 'w1', extension: 'avro' },
    { folder: 'orders@id/0', firstPosition: Number.MAX_SAFE_INTEGER, writer: 'host-1.example-7', extension: 'avro' },
    { folder: 'deep/er/0', firstPosition: 0, writer: 'a/b c', extension: 'json' },
  ])('reads what segmentKey wrote: $folder $writer', (name) => {
    expect(parseSegmentKey(segmentKey(name))).toEqual(name)
  })

  it('gives a writer that had to be cut as the key has it', () => {
    const key = segmentKey({ folder: 'o/0', firstPosition: 1, writer: 'w'.repeat(400), extension: 'avro' })
    expect(parseSegmentKey(key)?.writer).toMatch(/^w{120}~[0-9a-f]{40}$/)
  })

  it.each([
    '',
    'orders/0/42-w.avro',
    'orders/0/0000000000000042.avro',
    '0000000000000042-w.avro',
    '/0000000000000042-w.avro',
    'o/0/9999999999999999-w.avro',
    'o/0000000000000042-w/x.avro',
  ])('reads nothing from %j', (key) => {
    expect(parseSegmentKey(key)).toBeUndefined()
  })
})
