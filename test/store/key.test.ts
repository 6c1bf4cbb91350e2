import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkPrefix, compareKeys, sortKeys } from '../../src/store/key.ts'

const text = fc.string({
  unit: fc.oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
    fc.constantFrom('a', '/', '\ud7ff', '\ue000', '\u{10000}'),
  ),
})

describe('compareKeys', () => {
  it('orders as the bytes of UTF-8 do', () => {
    fc.assert(
      fc.property(text, text, (left, right) => {
        expect(Math.sign(compareKeys(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
      }),
      { numRuns: 5000 },
    )
  })

  it('puts what is above U+FFFF behind all else, which JavaScript does not', () => {
    expect(compareKeys('\u{1f600}', '\uffff')).toBeGreaterThan(0)
    expect(['\u{1f600}', '\uffff'].toSorted()).toEqual(['\u{1f600}', '\uffff'])
  })
})

describe('sortKeys', () => {
  it('orders as the bytes of UTF-8 do', () => {
    fc.assert(
      fc.property(fc.array(text), (keys) => {
        const wanted = keys.map((key) => Buffer.from(key)).toSorted((left, right) => Buffer.compare(left, right))
        expect(sortKeys([...keys])).toEqual(wanted.map(String))
      }),
    )
  })
})

describe('checkPrefix', () => {
  it.each(['', 'a', 'a/', 'a/.', 'a/..', 'a/b/c-'])('takes %j, which keys can begin with', (prefix) => {
    expect(() => checkPrefix(prefix)).not.toThrow()
  })

  it.each(['/', 'a//', './', '../a', 'a/../b', 'a\\', 'a\0', 'x'.repeat(1025)])(
    'refuses %j, which no key begins with',
    (prefix) => {
      expect(() => checkPrefix(prefix)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
    },
  )
})
