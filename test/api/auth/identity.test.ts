import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { mayBy } from '../../../src/api/auth/identity.ts'

const may = (scope: 'write' | 'read' | 'replay' | 'admin', ...topics: string[]) => mayBy([{ scope, topics }])

describe('mayBy', () => {
  it.each([
    { pattern: 'orders', topic: 'orders', holds: true },
    { pattern: 'orders', topic: 'orders2', holds: false },
    { pattern: 'orders*', topic: 'orders', holds: true },
    { pattern: '*orders', topic: 'eu-orders', holds: true },
    { pattern: 'a*b', topic: 'ab', holds: true },
    { pattern: 'ab*ba', topic: 'aba', holds: false },
    { pattern: 'a*b*c', topic: 'a-b-c', holds: true },
    { pattern: 'a*b*c', topic: 'a-c-b', holds: false },
    { pattern: '**', topic: '', holds: true },
    { pattern: 'a.c', topic: 'abc', holds: false },
    { pattern: 'orders', topic: 'Orders', holds: false },
  ])('$pattern and $topic: $holds', ({ pattern, topic, holds }) => {
    expect(may('read', pattern)('read', topic)).toBe(holds)
  })

  it('agrees with a regular expression over any pattern', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 })
    fc.assert(
      fc.property(text, text, (pattern, topic) => {
        const expression = new RegExp(
          `^${pattern
            .split('*')
            .map((part) => RegExp.escape(part))
            .join('[^]*')}$`,
          'u',
        )
        return may('read', pattern)('read', topic) === expression.test(topic)
      }),
      { numRuns: 2000 },
    )
  })

  it('holds for every topic only where that is said', () => {
    expect([may('read', '*')('read'), may('read', 'a*')('read'), may('read', 'a*', '*')('read')]).toEqual([true, false, true])
  })

  it('lets admin do everything within its topics, and nobody else more than is said', () => {
    const scopes = ['write', 'read', 'replay', 'admin'] as const
    expect(scopes.map((scope) => may('admin', 'a*')(scope, 'ab'))).toEqual([true, true, true, true])
    expect(scopes.map((scope) => may('admin', 'a*')(scope, 'b'))).toEqual([false, false, false, false])
    expect(scopes.map((scope) => may('replay', '*')(scope, 'a'))).toEqual([false, false, true, false])
    expect(scopes.map((scope) => mayBy([])(scope, 'a'))).toEqual([false, false, false, false])
  })
})
