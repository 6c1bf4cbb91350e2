import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MessageInput } from '../../src/batch/builder.ts'
import { queryOf, recordQuery } from '../../src/replay/query-record.ts'
import { countMessages, estimate } from '../../src/search/count.ts'
import type { FieldTest, FilterField, FilterOperand, MessageFilter } from '../../src/search/filter.ts'
import { search } from '../../src/search/read.ts'
import { createSelection } from '../../src/search/selection.ts'
import type { LaneId } from '../../src/source/lane.ts'
import { archiveOf, laneContent, lanes, plain, utf8, words } from './random-archive.ts'

const text = (value: string) => new TextEncoder().encode(value)

const bytes = fc.constantFrom(...words, 't', 'u', '0', '10', 'x').map(text)
const number = fc.oneof({ weight: 9, arbitrary: fc.integer({ min: -60, max: 210 }) }, { weight: 1, arbitrary: fc.constant(70.5) })

/** Any test; operands of the wrong kind are rare. */
const testOf = (operand: fc.Arbitrary<FilterOperand>): fc.Arbitrary<FieldTest> =>
  fc.oneof(
    fc.record({ equals: operand }),
    fc.record({ in: fc.array(operand, { maxLength: 12 }) }),
    fc.record({ prefix: bytes }),
    fc.record({ greaterThan: operand, atLeast: operand, lessThan: operand, atMost: operand }, { requiredKeys: [] }),
    fc.record({ exists: fc.boolean() }),
  )
const mostly = (usual: fc.Arbitrary<FilterOperand>, rare: fc.Arbitrary<FilterOperand>) =>
  fc.oneof({ weight: 20, arbitrary: usual }, { weight: 1, arbitrary: rare })
const field = (names: fc.Arbitrary<FilterField>, test: fc.Arbitrary<FieldTest>): fc.Arbitrary<MessageFilter> =>
  fc.record({ field: names, test })
const anyLeaf = fc.oneof(
  field(fc.constantFrom('position', 'timestamp'), testOf(mostly(number, bytes))),
  field(fc.constantFrom('topic', 'lane', 'key', 'id', 'header:h', 'header:g', 'header:none'), testOf(mostly(bytes, number))),
)
const { filter } = fc.letrec<{ filter: MessageFilter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    anyLeaf,
    fc.record({ and: fc.array(tie('filter'), { maxLength: 3 }) }),
    fc.record({ or: fc.array(tie('filter'), { maxLength: 3 }) }),
    fc.record({ not: tie('filter') }),
  ),
}))

type Operand = number | string | null | undefined

/** Whether a message passes, said as plainly as can be. */
function passes(filter: MessageFilter, lane: LaneId, message: MessageInput): boolean {
  if ('and' in filter) return filter.and.every((part) => passes(part, lane, message))
  if ('or' in filter) return filter.or.some((part) => passes(part, lane, message))
  if ('not' in filter) return !passes(filter.not, lane, message)
  if ('jq' in filter) throw new Error('not here')
  const { field, test } = filter
  const values = valuesOf(field, lane, message).filter((value) => value !== null && value !== undefined)
  if ('exists' in test) return values.length > 0 === test.exists
  return values.some((value) => passesTest(value, test))
}

function valuesOf(field: FilterField, lane: LaneId, message: MessageInput): Operand[] {
  if (field === 'topic' || field === 'lane') return [lane[field]]
  if (field.startsWith('header:')) {
    return (message.headers ?? []).filter(({ name }) => `header:${name}` === field).map(({ value }) => utf8(value))
  }
  const value = message[field as 'position' | 'timestamp' | 'id' | 'key']
  return [typeof value === 'number' ? value : utf8(value)]
}

function passesTest(value: number | string, test: FieldTest): boolean {
  const order = (operand: FilterOperand): number | undefined => {
    if (typeof value === 'number') return typeof operand === 'number' ? value - operand : undefined
    return typeof operand === 'number' ? undefined : Buffer.compare(text(value), operand)
  }
  const holds = (operand: FilterOperand | undefined, accepts: (sign: number) => boolean) => {
    if (operand === undefined) return true
    const sign = order(operand)
    return sign !== undefined && accepts(sign)
  }
  if ('exists' in test) return test.exists
  if ('equals' in test) return order(test.equals) === 0
  if ('in' in test) return test.in.some((operand) => order(operand) === 0)
  if ('prefix' in test) return typeof value === 'string' && Buffer.from(text(value)).indexOf(test.prefix) === 0
  return (
    holds(test.greaterThan, (sign) => sign > 0) &&
    holds(test.atLeast, (sign) => sign >= 0) &&
    holds(test.lessThan, (sign) => sign < 0) &&
    holds(test.atMost, (sign) => sign <= 0)
  )
}

describe('a filter over a random archive', { timeout: 120_000 }, () => {
  it('finds, counts and weighs what a scan of all messages finds; blocks that are left out hold nothing of it', async () => {
    const made = lanes.chain((ids) => fc.tuple(...ids.map((id) => laneContent.map((content) => ({ ...id, content })))))
    await fc.assert(
      fc.asyncProperty(made, fc.array(filter, { minLength: 1, maxLength: 8 }), async (content, filters) => {
        const { archive, model } = await archiveOf(content)
        await using _ = archive.index
        for (const filter of filters) {
          const expected = model.flatMap(({ lane, messages }) =>
            messages.filter((message) => passes(filter, lane, message)).map((message) => ({ ...lane, ...message })),
          )
          expect(await plain(search(archive, { filter }))).toEqual(expected)
          expect(await countMessages(archive, { filter })).toBe(expected.length)
          const { messages, exact } = await estimate(archive, { filter })
          expect(messages).toBeGreaterThanOrEqual(expected.length)
          expect(exact ? messages : expected.length).toBe(expected.length)
        }
      }),
      { numRuns: 60 },
    )
  })

  it('reads no look-up and no block that the filter rules out', async () => {
    const content = { ...fc.sample(laneContent, { seed: 1, numRuns: 1 })[0]!, lookups: ['key', 'id', 'header:h'] as const }
    const messages = Array.from({ length: 60 }, (_, at) => ({
      gap: 0,
      timestamp: at,
      key: `k${at % 30}`,
      value: null,
      id: `i${at}`,
      headers: at === 7 ? [{ name: 'h', value: 'seven' }] : [],
    }))
    const lane = { topic: 't', topicId: '1', lane: '0' }
    const whole = {
      ...content,
      messages,
      startPosition: 0,
      sizes: [5, 3, 1],
      dealt: false,
      format: 'avro',
      lookups: [...content.lookups],
    }
    const { archive } = await archiveOf([{ ...lane, content: whole as typeof content & { lookups: never[] } }])
    await using _ = archive.index
    const blocksOf = async (filter: MessageFilter) => (await estimate(archive, { filter })).blocks
    const is = (field: FilterField, value: string): MessageFilter => ({ field, test: { equals: text(value) } })
    expect(await blocksOf(is('id', 'i12'))).toBe(1)
    expect(await blocksOf({ or: [is('id', 'i12'), is('id', 'i40')] })).toBe(2)
    expect(await blocksOf({ field: 'id', test: { in: [text('i1'), text('i2'), text('i59')] } })).toBe(2)
    expect(await blocksOf({ and: [is('id', 'i12'), is('key', 'k13')] })).toBe(1)
    expect(await blocksOf({ and: [is('id', 'i12'), is('key', 'k20')] })).toBe(0)
    expect(await blocksOf({ field: 'header:h', test: { exists: true } })).toBe(1)
    expect(await blocksOf({ field: 'header:h', test: { prefix: text('se') } })).toBe(1)
    expect(await blocksOf({ not: { field: 'header:h', test: { exists: true } } })).toBe(12)
    expect(await blocksOf({ field: 'timestamp', test: { atLeast: 10, lessThan: 20 } })).toBe(2)
    expect(
      await blocksOf({
        or: [
          { field: 'position', test: { lessThan: 5 } },
          { field: 'timestamp', test: { atLeast: 55 } },
        ],
      }),
    ).toBe(2)
    expect(await blocksOf(is('topic', 'u'))).toBe(0)
    expect(await countMessages(archive, { filter: { not: is('id', 'i12') } })).toBe(59)
  })
})

describe('what the index is asked', () => {
  const at = (test: FieldTest): MessageFilter => ({ field: 'position', test })
  const named = (field: 'topic' | 'lane', ...names: string[]): MessageFilter => ({ field, test: { in: names.map(text) } })
  it.each<{ filter: MessageFilter; asked: object }>([
    { filter: at({ atLeast: 3, lessThan: 9 }), asked: { positions: { from: 3, to: 9 } } },
    { filter: at({ greaterThan: 3, atMost: 9 }), asked: { positions: { from: 4, to: 10 } } },
    { filter: at({ greaterThan: 2.5, atMost: 9.5 }), asked: { positions: { from: 3, to: 10 } } },
    { filter: at({ equals: 7 }), asked: { positions: { from: 7, to: 8 } } },
    { filter: at({ in: [7, 3] }), asked: { positions: { from: 3, to: 8 } } },
    { filter: { not: at({ atLeast: 5 }) }, asked: { positions: { to: 5 } } },
    { filter: { not: { or: [at({ lessThan: 3 }), at({ greaterThan: 8 })] } }, asked: { positions: { from: 3, to: 9 } } },
    { filter: { or: [at({ equals: 1 }), at({ equals: 9 })] }, asked: { positions: { from: 1, to: 10 } } },
    { filter: { or: [at({ equals: 1 }), { field: 'id', test: { exists: true } }] }, asked: {} },
    { filter: { and: [named('topic', 'a'), named('lane', '1', '2')] }, asked: { topic: 'a', lanes: ['1', '2'] } },
    { filter: { or: [named('topic', 'a'), named('topic', 'a')] }, asked: { topic: 'a' } },
    { filter: { or: [named('topic', 'a'), named('topic', 'b')] }, asked: {} },
    { filter: { and: [named('lane', '1', '2'), named('lane', '2', '3')] }, asked: { lanes: ['2'] } },
    { filter: { not: named('topic', 'a') }, asked: {} },
  ])('for $filter is $asked', ({ filter, asked }) => {
    expect(createSelection({ filter }).segments).toEqual(asked)
  })
  it.each<MessageFilter>([
    { or: [] },
    { and: [at({ equals: 1 }), at({ equals: 2 })] },
    { and: [at({ lessThan: 5 }), { not: at({ lessThan: 5 }) }] },
    named('topic'),
    { not: { and: [] } },
  ])('is nothing for %j', (filter) => {
    expect(createSelection({ filter }).isNothing).toBe(true)
  })
})

describe('a filter that is recorded with a replay', () => {
  it('is the same filter when it is read again, byte for byte', () => {
    fc.assert(
      fc.property(filter, fc.uint8Array({ maxLength: 8 }), (given, value) => {
        const query = { filter: { and: [given, { field: 'key', test: { equals: value } }] } } as const
        const again = queryOf(JSON.parse(JSON.stringify(recordQuery(query))) as ReturnType<typeof recordQuery>)
        for (const key of [null, '', 'a', 'ab', value]) {
          const message = { position: 70, timestamp: 80, key, value: null, id: 'a', headers: [{ name: 'h', value: 'b' }] }
          const lane = { topic: 't', topicId: '1', lane: '0' }
          expect(passes(again.filter!, lane, message)).toBe(passes(query.filter, lane, message))
        }
      }),
    )
  })
})
