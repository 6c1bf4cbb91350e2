import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { type HeaderRemap, remapHeaders } from '../../src/replay/remap.ts'

type Header = readonly [name: string, value: string | null]
const message = (position: number, headers: readonly Header[]): MessageInput => ({
  position,
  timestamp: position,
  key: `k${position}`,
  value: `v${position}`,
  headers: headers.map(([name, value]) => ({ name, value })),
})
const headersOf = (messages: Iterable<{ headers: readonly { name: string; value: Uint8Array | null }[] }>): Header[][] =>
  [...messages].map(({ headers }) =>
    headers.map(({ name, value }) => [name, value === null ? null : Buffer.from(value).toString()]),
  )

/** The rule, header by header. */
const expected = (headers: readonly Header[], { drop = [], rename = {}, set = {} }: HeaderRemap): Header[] => [
  ...headers
    .filter(([name]) => !drop.includes(name))
    .map(([name, value]): Header => [Object.hasOwn(rename, name) ? rename[name]! : name, value])
    .filter(([name]) => !Object.hasOwn(set, name)),
  ...Object.entries(set),
]

describe('remapHeaders', () => {
  it('gives the very batch where nothing is to be done', () => {
    const batch = batchOf([message(1, [['a', '1']])])
    expect(remapHeaders(batch, {})).toBe(batch)
    expect(remapHeaders(batch, { drop: [], rename: {}, set: {} })).toBe(batch)
  })

  it('drops, renames and sets', () => {
    const batch = batchOf([
      message(1, [
        ['a', '1'],
        ['b', '2'],
        ['a', null],
        ['c', '3'],
      ]),
      message(2, []),
    ])
    const changed = remapHeaders(batch, { drop: ['b'], rename: { a: 'x' }, set: { c: 'new', d: '' } })
    expect(headersOf(messagesOf(changed))).toEqual([
      [
        ['x', '1'],
        ['x', null],
        ['c', 'new'],
        ['d', ''],
      ],
      [
        ['c', 'new'],
        ['d', ''],
      ],
    ])
    expect([...messagesOf(changed)].map(({ headers: _, ...rest }) => rest)).toEqual(
      [...messagesOf(batch)].map(({ headers: _, ...rest }) => rest),
    )
  })

  it('follows the rule whatever the headers', () => {
    const name = fc.constantFrom('a', 'b', 'é', '', '__proto__', 'constructor')
    const header = fc.tuple(name, fc.option(fc.string({ maxLength: 3 })))
    const record = fc.uniqueArray(fc.tuple(name, fc.string({ maxLength: 3 })), { selector: ([key]) => key, maxLength: 3 })
    const remap = fc
      .record({ drop: fc.array(name, { maxLength: 2 }), rename: record, set: record })
      .map(({ drop, rename, set }) => ({
        drop,
        // A null prototype: otherwise `__proto__` would be no name.
        rename: Object.assign(Object.create(null), Object.fromEntries(rename)) as Record<string, string>,
        set: Object.assign(Object.create(null), Object.fromEntries(set)) as Record<string, string>,
      }))
    fc.assert(
      fc.property(fc.array(fc.array(header, { maxLength: 4 }), { maxLength: 4 }), remap, (rows, how) => {
        const changed = remapHeaders(batchOf(rows.map((headers, row) => message(row, headers))), how)
        expect(headersOf(messagesOf(changed))).toEqual(rows.map((headers) => expected(headers, how)))
      }),
    )
  })
})
