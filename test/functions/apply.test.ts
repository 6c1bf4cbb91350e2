import { describe, expect, it } from 'vitest'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { applyFunction } from '../../src/functions/apply.ts'
import type { MessageFunction } from '../../src/functions/function.ts'

const orders = batchOf([
  { position: 3, timestamp: 10, key: 'a', value: '{"n":1}', headers: [{ name: 'h', value: 'x' }], id: 'one' },
  { position: 5, timestamp: 11, key: null, value: null },
  { position: 6, timestamp: 12, key: 'b', value: 'no json' },
])
const origin = { topic: 'orders', lane: '2' }
const apply = (call: MessageFunction) => applyFunction(call, orders, origin, new AbortController().signal)
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())

describe('applyFunction', () => {
  it('gives the very batch where nothing is changed', async () => {
    expect(await apply((message) => message)).toEqual({ batch: orders, leftOut: [], failed: [] })
    expect((await apply((message) => message)).batch).toBe(orders)
  })

  it('tells the function all of a message', async () => {
    const seen: unknown[] = []
    await apply((message) => {
      seen.push({ ...message, value: message.text(), key: text(message.key), headers: message.headers.length })
      return message
    })
    expect(seen).toEqual([
      { ...origin, position: 3, timestamp: 10, key: 'a', value: '{"n":1}', id: 'one', headers: 1 },
      { ...origin, position: 5, timestamp: 11, key: null, value: null, id: null, headers: 0 },
      { ...origin, position: 6, timestamp: 12, key: 'b', value: 'no json', id: null, headers: 0 },
    ])
  })

  it('keeps what the function does not name, and positions always', async () => {
    const { batch } = await apply(() => ({ value: 'new' }))
    const before = [...messagesOf(orders)]
    expect([...messagesOf(batch)].map(({ value, ...rest }) => ({ ...rest, value: text(value) }))).toEqual(
      before.map((message) => ({ ...message, value: 'new' })),
    )
  })

  it('takes copies, lists and records of headers, and values as JSON', async () => {
    const { batch } = await apply((message) =>
      message.position === 3
        ? { ...message, value: { n: 2, was: message.json() }, headers: { a: '1', b: null } }
        : { key: Buffer.from('k'), headers: [{ name: 'c', value: '2' }], timestamp: 7, id: null },
    )
    const [first, second] = [...messagesOf(batch)]
    expect(text(first!.value)).toBe('{"n":2,"was":{"n":1}}')
    expect(first!.headers.map(({ name, value }) => [name, text(value)])).toEqual([
      ['a', '1'],
      ['b', null],
    ])
    expect({ key: text(second!.key), timestamp: second!.timestamp, id: second!.id }).toEqual({ key: 'k', timestamp: 7, id: null })
    expect(second!.headers.map(({ name, value }) => [name, text(value)])).toEqual([['c', '2']])
  })

  it('leaves out what the function does, and names what it fails on', async () => {
    const { batch, leftOut, failed } = await apply((message) => {
      if (message.value === null) return null
      return { value: { ok: message.json() } }
    })
    expect([...messagesOf(batch)].map(({ position, value }) => [position, text(value)])).toEqual([[3, '{"ok":{"n":1}}']])
    expect(leftOut).toEqual([5])
    expect(failed).toEqual([{ position: 6, reason: 'function: SyntaxError: the value is no JSON' }])
  })

  it('waits for functions that take their time, in order', async () => {
    const order: number[] = []
    const { batch } = await apply(async (message) => {
      await new Promise((resolve) => setTimeout(resolve, 6 - message.position))
      order.push(message.position)
      return message.position === 5 ? undefined : { value: 'later' }
    })
    expect(order).toEqual([3, 5, 6])
    expect([...batch.positions]).toEqual([3, 6])
  })

  it.each([
    { gives: 'text', answer: 'x', reason: 'the function gave of type string, not a message or null' },
    { gives: 'a list', answer: [], reason: 'the function gave a list, not a message or null' },
    {
      gives: 'a field of no message',
      answer: { valeu: '' },
      reason: 'the function gave a message with a field "valeu", which messages do not have',
    },
    {
      gives: 'a key that is a number',
      answer: { key: 1 },
      reason: 'the key that the function gave is of type number, neither text nor bytes',
    },
    {
      gives: 'a broken time',
      answer: { timestamp: 1.5 },
      reason: 'the timestamp that the function gave is no whole number of ms',
    },
    {
      gives: 'a header without a name',
      answer: { headers: [{ value: 'x' }] },
      reason: 'the name of a header that the function gave is of type undefined, neither text nor bytes',
    },
    {
      gives: 'a value that is no JSON',
      answer: { value: () => 1 },
      reason: 'the value that the function gave is of type function, neither text nor bytes',
    },
  ])('refuses $gives', async ({ answer, reason }) => {
    const { failed, batch } = await apply((() => answer) as unknown as MessageFunction)
    expect(batch.count).toBe(0)
    expect(failed).toHaveLength(3)
    expect(failed[0]).toEqual({ position: 3, reason: `function: TypeError: ${reason}` })
  })

  it('ends when it is told to', async () => {
    const ended = AbortSignal.abort(new Error('enough'))
    await expect(applyFunction((message) => message, orders, origin, ended)).rejects.toThrow('enough')
  })

  it('ends between two messages where the function takes its time', async () => {
    const ending = new AbortController()
    let calls = 0
    const call: MessageFunction = async (message) => {
      if (++calls === 2) ending.abort(new Error('enough'))
      return message
    }
    await expect(applyFunction(call, orders, origin, ending.signal)).rejects.toThrow('enough')
    expect(calls).toBe(2)
  })
})
