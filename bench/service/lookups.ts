import { randomInt } from 'node:crypto'
import { idOf } from '../../src/cli/bench/messages.ts'
import { LANES, TOPIC } from '../../src/cli/bench/prepare.ts'

/** The median and others of some times, ms. */
export function times(milliseconds: readonly number[]) {
  const sorted = milliseconds.toSorted((a, b) => a - b)
  const at = (share: number) => Number(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(2))
  return { medianMs: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), maxMs: at(1) }
}

/** Looks a message up that is drawn at random; gives the time to the last byte, ms. @throws Error where it is not found. */
async function lookUp(url: string, messages: number): Promise<number> {
  const id = idOf(randomInt(messages))
  const startMs = performance.now()
  const response = await fetch(`${url}/search?topic=${TOPIC}&id=${id}&format=page`)
  const page = (await response.json()) as { readonly messages?: readonly { readonly id: string }[] }
  const milliseconds = performance.now() - startMs
  if (page.messages?.length === 1 && page.messages[0]?.id === id) return milliseconds
  throw new Error(`${id}: ${JSON.stringify(page).slice(0, 300)}`)
}

/** Look-ups of messages drawn at random, one after the other, from request to the last byte; each must find its one message. */
export async function lookUpIds(url: string, messages: number, count: number) {
  const taken: number[] = []
  for (let i = 0; i < count; i++) taken.push(await lookUp(url, messages))
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

/** Look-ups by many callers at once, each one after the other, while somebody puts messages as fast as they are taken. */
export async function searchWhileArchiving(
  url: string,
  messages: number,
  { callers, seconds }: { readonly callers: number; readonly seconds: number },
) {
  const untilMs = performance.now() + seconds * 1000
  const taken: number[] = []
  const look = async () => {
    while (performance.now() < untilMs) taken.push(await lookUp(url, messages))
  }
  let put = 0
  const body = Array.from({ length: 500 }, (_, i) => `{"key":"k${i}","value":{"n":${i},"text":"${'x'.repeat(160)}"}}`).join('\n')
  const feed = async () => {
    while (performance.now() < untilMs) {
      const response = await fetch(`${url}/topics/fresh/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
      })
      if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
      await response.arrayBuffer()
      put += 500
    }
  }
  await Promise.all([...Array.from({ length: callers }, look), feed(), feed()])
  const startMs = performance.now()
  const archived = async () => {
    const answer = (await (await fetch(`${url}/search/count?topic=fresh`)).json()) as { readonly count?: number }
    return answer.count ?? 0
  }
  while ((await archived()) < put) {
    if (performance.now() - startMs > 120_000) throw new Error(`${await archived()} of ${put} messages are archived`)
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  return {
    callers,
    searchesPerSecond: Math.round(taken.length / seconds),
    ...times(taken),
    putPerSecond: Math.round(put / seconds),
    archivedAfterSeconds: Number(((performance.now() - startMs) / 1000).toFixed(1)),
  }
}
