import { randomInt } from 'node:crypto'
import { idOf } from '../../src/cli/bench/messages.ts'
import { LANES, TOPIC } from '../../src/cli/bench/prepare.ts'

/** The median and others of some times, ms. */
export function times(milliseconds: readonly number[]) {
  const sorted = milliseconds.toSorted((a, b) => a - b)
  const at = (share: number) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2))
  return { medianMs: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) }
}

/** Look-ups of messages drawn at random, one after the other, from request to the last byte; each must find its one message. */
export async function lookUpIds(url: string, messages: number, count: number) {
  const taken: number[] = []
  for (let i = 0; i < count; i++) {
    const id = idOf(randomInt(messages))
    const startMs = performance.now()
    const response = await fetch(`${url}/search?topic=${TOPIC}&id=${id}&format=page`)
    const page = (await response.json()) as { readonly messages?: readonly { readonly id: string }[] }
    taken.push(performance.now() - startMs)
    if (page.messages?.length !== 1 || page.messages[0]?.id !== id)
      throw new Error(`${id}: ${JSON.stringify(page).slice(0, 300)}`)
  }
  // The first ones open files and warm the program up, once for a service that runs for months.
  return times(taken.slice(Math.floor(count / 10)))
}

/** Ranges of `size` messages of one lane, drawn at random: to the first byte of the answer, and to the last. */
export async function readRanges(
  url: string,
  messages: number,
  { count, size }: { readonly count: number; readonly size: number },
) {
  const first: number[] = []
  const whole: number[] = []
  for (let i = 0; i < count; i++) {
    const from = randomInt(Math.max(1, Math.floor(messages / LANES) - size))
    const startMs = performance.now()
    const response = await fetch(`${url}/search?topic=${TOPIC}&lane=${i % LANES}&position=${from}..${from + size}`)
    let lines = 0
    let isFirst = true
    for await (const chunk of response.body!) {
      if (isFirst) first.push(performance.now() - startMs)
      isFirst = false
      for (const byte of chunk as Uint8Array) if (byte === 10) lines++
    }
    whole.push(performance.now() - startMs)
    // The last line says that it is the end.
    if (lines !== size + 1) throw new Error(`${lines - 1} of ${size} messages came`)
  }
  const skipped = Math.floor(count / 10)
  return { firstByte: times(first.slice(skipped)), whole: times(whole.slice(skipped)) }
}
