import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { giveAway } from '../../src/batch/given-away.ts'
import { crc32c } from '../../src/kernel/checksum.ts'
import { createLimiter } from '../../src/store/limiter.ts'
import { createPartRoom } from '../../src/store/part-room.ts'
import { countBody, crc32cOfPieces, createPartWriter, joinPieces } from '../../src/store/part-writer.ts'
import type { PartWriterOptions, Pieces } from '../../src/store/part-writer.ts'
import type { PutOutcome } from '../../src/store/store.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (pieces: Pieces) => new TextDecoder().decode(joinPieces(pieces))

const nextTick = () =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** A writer of parts of four bytes, of which two are on their way at once, and what it does with its store. */
function openTest(options: Partial<PartWriterOptions> = {}) {
  const calls: string[] = []
  /** Ends the sending of a part, in the order in which they began. */
  const answers: PromiseWithResolvers<void>[] = []
  const state: { outcome: PutOutcome; holding: boolean } = { outcome: 'created', holding: false }
  const writer = createPartWriter({
    partBytes: 4,
    turns: createLimiter(2),
    putWhole: async (object) => {
      calls.push(`whole ${textOf(object)}`)
      return state.outcome
    },
    openUpload: async () => {
      calls.push('open')
      return {
        async send(part) {
          calls.push(`part ${textOf(part)}`)
          if (!state.holding) return
          const answer = Promise.withResolvers<void>()
          answers.push(answer)
          await answer.promise
        },
        async finish(last) {
          calls.push(`finish ${textOf(last)}`)
          return state.outcome
        },
        async abandon() {
          calls.push('abandon')
        },
      }
    },
    onClosed: () => calls.push('closed'),
    ...options,
  })
  return { writer, calls, answers, state, write: (text: string) => writer.write(bytesOf(text)) }
}

describe('createPartWriter', () => {
  it('puts an object of one part at once', async () => {
    const { writer, calls, write } = openTest()
    await write('ab')
    await write('cd')
    expect(writer.heldBytes).toBe(4)
    expect(await writer.finish()).toBe('created')
    expect(calls).toEqual(['whole abcd', 'closed'])
    expect(writer.heldBytes).toBe(0)
  })

  it('cuts parts of one length, whatever is written, and keeps one for the end', async () => {
    const { writer, calls, write } = openTest()
    for (const text of ['a', 'bcdefghij', '', 'k', 'lm']) await write(text)
    expect(await writer.finish()).toBe('created')
    expect(calls).toEqual(['open', 'part abcd', 'part efgh', 'part ijkl', 'finish m', 'closed'])
    const even = openTest()
    await even.write('abcdefgh')
    await even.writer.finish()
    expect(even.calls).toEqual(['open', 'part abcd', 'finish efgh', 'closed'])
  })

  it('gives pieces on without a copy', async () => {
    const given: Pieces[] = []
    const { writer } = openTest({
      putWhole: async (object) => {
        given.push(object)
        return 'created'
      },
    })
    const [first, second] = [bytesOf('ab'), bytesOf('c')]
    await writer.write(first)
    await writer.write(second)
    await writer.finish()
    expect(given[0]?.pieces.map(({ buffer }) => buffer)).toEqual([first.buffer, second.buffer])
  })

  it('waits with what is written while all turns are taken, also by other writers', async () => {
    const turns = createLimiter(2)
    const one = openTest({ turns })
    const other = openTest({ turns })
    one.state.holding = true
    await one.write('abcdefghi')
    expect(one.calls).toEqual(['open', 'part abcd', 'part efgh'])
    let isWritten = false
    const writing = other.write('vwxyz').then(() => (isWritten = true))
    await nextTick()
    expect(isWritten).toBe(false)
    expect(other.writer.heldBytes).toBe(5)
    one.answers[0]?.resolve()
    await writing
    expect(other.calls).toEqual(['open', 'part vwxy'])
    one.answers[1]?.resolve()
    expect(await Promise.all([one.writer.finish(), other.writer.finish()])).toEqual(['created', 'created'])
  })

  it('holds what is less than a part', async () => {
    const { writer, answers, state, write } = openTest()
    state.holding = true
    await write('abcdefghi')
    expect(writer.heldBytes).toBe(1)
    await write('jkl')
    expect(writer.heldBytes).toBe(4)
    for (const answer of answers) answer.resolve()
    await writer.finish()
    expect(writer.heldBytes).toBe(0)
  })

  it('fails for good with the first part that fails, and takes back what was sent', async () => {
    const { writer, calls, answers, state, write } = openTest()
    state.holding = true
    await write('abcdefgh')
    answers[0]?.reject(new Error('no such upload'))
    await nextTick()
    await expect(write('more')).rejects.toThrow('no such upload')
    await expect(writer.finish()).rejects.toThrow('no such upload')
    await writer.abort()
    expect(calls).toEqual(['open', 'part abcd', 'abandon', 'closed'])
    expect(writer.heldBytes).toBe(0)
  })

  it('takes back what was sent where the end fails', async () => {
    const failing = openTest({
      openUpload: async () => ({
        send: async () => undefined,
        finish: () => Promise.reject(new Error('not finished')),
        abandon: async () => void failing.calls.push('abandon'),
      }),
    })
    await failing.write('abcde')
    await expect(failing.writer.finish()).rejects.toThrow('not finished')
    expect(failing.calls).toEqual(['abandon', 'closed'])
  })

  it('does not wait for a turn any more when it is aborted', async () => {
    const turns = createLimiter(1)
    const endTurn = await turns.take()
    const { writer, calls, write } = openTest({ turns })
    const writing = write('abcde')
    await nextTick()
    await writer.abort()
    await expect(writing).rejects.toMatchObject({ code: 'STOPPED' })
    await expect(writer.finish()).rejects.toMatchObject({ code: 'STOPPED' })
    expect(calls).toEqual(['open', 'abandon', 'closed'])
    endTurn()
  })

  it('stops with its signal', async () => {
    const stop = new AbortController()
    const { writer, calls, write } = openTest({ signal: stop.signal })
    await write('abcde')
    stop.abort(new Error('enough'))
    await expect(write('f')).rejects.toThrow('enough')
    await expect(writer.finish()).rejects.toThrow('enough')
    expect(calls).toEqual(['open', 'part abcd', 'abandon', 'closed'])
  })

  it('sums up pieces by the checksums that came with them, wherever parts are cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.uint8Array({ maxLength: 9 }), fc.boolean())), async (pieces) => {
        const sent: Pieces[] = []
        const { writer } = openTest({
          putWhole: async (object) => {
            sent.push(object)
            return 'created'
          },
          openUpload: async () => ({
            send: async (part) => void sent.push(part),
            async finish(last) {
              sent.push(last)
              return 'created'
            },
            abandon: async () => undefined,
          }),
        })
        for (const [bytes, isKnown] of pieces) await writer.write(bytes, isKnown ? crc32c(bytes) : undefined)
        await writer.finish()
        expect(sent.map((part) => crc32cOfPieces(part))).toEqual(sent.map((part) => crc32c(joinPieces(part))))
        expect(Buffer.concat(sent.map((part) => joinPieces(part))).equals(Buffer.concat(pieces.map(([bytes]) => bytes)))).toBe(
          true,
        )
      }),
    )
  })
})

describe('a writer with room', () => {
  it('puts a larger object at once, and one for which there is none in parts', async () => {
    const room = createPartRoom(12)
    const whole = openTest({ room })
    await whole.write('abcdefghij')
    expect(whole.calls).toEqual([])
    const other = openTest({ room })
    await other.write('ab')
    expect(await whole.writer.finish()).toBe('created')
    expect(whole.calls).toEqual(['whole abcdefghij', 'closed'])
    await other.write('cdefghijklm')
    expect(await other.writer.finish()).toBe('created')
    expect(other.calls).toEqual(['open', 'part abcd', 'part efgh', 'part ijkl', 'finish m', 'closed'])
  })

  it('sends parts when others need the room, be they ever so small', async () => {
    const room = createPartRoom(12)
    const large = openTest({ room })
    const small = openTest({ room })
    await large.write('abcdefghij')
    await small.write('123')
    await nextTick()
    expect(large.calls).toEqual(['open', 'part abcd', 'part efgh'])
    expect(large.writer.heldBytes).toBe(2)
    await large.write('klmn')
    await large.writer.finish()
    expect(large.calls.slice(3)).toEqual(['part ijkl', 'finish mn', 'closed'])
    await small.writer.finish()
    expect(small.calls).toEqual(['whole 123', 'closed'])
  })

  it('holds its room until the object is there, and sends no part while it is being put', async () => {
    const room = createPartRoom(12)
    const answer = Promise.withResolvers<PutOutcome>()
    const ending = openTest({ room, putWhole: () => answer.promise })
    await ending.write('abcdefgh')
    const finished = ending.writer.finish()
    const other = openTest({ room })
    await other.write('1234567')
    await nextTick()
    expect(ending.calls).toEqual([])
    expect(other.calls).toEqual(['open', 'part 1234'])
    answer.resolve('created')
    await finished
    const next = openTest({ room })
    await next.write('abcdefghi')
    expect(next.calls).toEqual([])
  })

  it('gives its room back when it is aborted or fails', async () => {
    const room = createPartRoom(8)
    const aborted = openTest({ room })
    await aborted.write('abcdefgh')
    await aborted.writer.abort()
    const failing = openTest({ room, putWhole: () => Promise.reject(new Error('no')) })
    await failing.write('abcdefgh')
    await expect(failing.writer.finish()).rejects.toThrow('no')
    const next = openTest({ room })
    await next.write('abcdefgh')
    await next.writer.finish()
    expect(next.calls).toEqual(['whole abcdefgh', 'closed'])
  })
})

describe('pieces that were given away', () => {
  const KiB = 1024
  const open = (bodies: number, outcome: PutOutcome = 'created') => {
    const count = (object: Pieces) => {
      for (let i = 0; i < bodies; i++) countBody(object)
    }
    return createPartWriter({
      partBytes: 64 * KiB,
      turns: createLimiter(2),
      putWhole: async (object) => {
        count(object)
        return outcome
      },
      openUpload: async () => ({
        send: async (part) => count(part),
        async finish(last) {
          count(last)
          return outcome
        },
        abandon: async () => undefined,
      }),
    })
  }
  const piece = () => giveAway(new Uint8Array(32 * KiB))

  it('are freed when their part has arrived by its first request, but those that two parts share', async () => {
    const writer = open(1)
    const pieces = [piece(), piece(), piece(), giveAway(new Uint8Array(48 * KiB)), piece(), new Uint8Array(32 * KiB)]
    for (const each of pieces) await writer.write(each)
    await writer.finish()
    expect(pieces.map(({ length }) => length / KiB)).toEqual([0, 0, 0, 48, 0, 32])
  })

  it.each([
    { bodies: 2, outcome: 'created' as const, because: 'an earlier request may still look at them' },
    { bodies: 0, outcome: 'created' as const, because: 'the store does not count' },
    { bodies: 1, outcome: 'exists' as const, because: 'the service may not have read them' },
  ])('are left to the collector: $because', async ({ bodies, outcome }) => {
    const writer = open(bodies, outcome)
    const only = piece()
    await writer.write(only)
    await writer.finish()
    expect(only.length).toBe(32 * KiB)
  })
})
