import { describe, expect, it } from 'vitest'
import { createLimiter } from '../../src/store/limiter.ts'

/** Whether the promise is settled once everything that is due has run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = (): void => void (settled = true)
  promise.then(note, note)
  await new Promise((resolve) => {
    setImmediate(resolve)
  })
  return settled
}

describe('createLimiter', () => {
  it('gives its turns at once, then in order as others end', async () => {
    const limiter = createLimiter(2)
    const endFirst = await limiter.take()
    const endSecond = await limiter.take()
    const third = limiter.take()
    const fourth = limiter.take()
    expect(await isSettled(third)).toBe(false)
    endSecond()
    const endThird = await third
    expect(await isSettled(fourth)).toBe(false)
    endFirst()
    await fourth
    endThird()
    expect(await isSettled(limiter.take())).toBe(true)
  })

  it('ends a turn once, however often it is told to', async () => {
    const limiter = createLimiter(1)
    const end = await limiter.take()
    end()
    end()
    await limiter.take()
    expect(await isSettled(limiter.take())).toBe(false)
  })

  it('passes over who stopped waiting', async () => {
    const limiter = createLimiter(1)
    const end = await limiter.take()
    const stop = new AbortController()
    const stopped = limiter.take(stop.signal)
    const next = limiter.take()
    stop.abort(new Error('enough'))
    await expect(stopped).rejects.toThrow('enough')
    await expect(limiter.take(stop.signal)).rejects.toThrow('enough')
    end()
    expect(await isSettled(next)).toBe(true)
  })
})
