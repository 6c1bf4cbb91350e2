import { setTimeout as after } from 'node:timers/promises'
import { fill } from '../live/filler.ts'
import type { Fault as AnswerFault } from '../servers/fault-proxy.ts'
import type { Proxy } from '../servers/toxiproxy.ts'
import type { Archiver } from './archivers.ts'
import { type Field, SESSION_TIMEOUT_MS } from './field.ts'

const FAULT_KINDS = [
  'archiver-kill',
  'archiver-pause',
  'broker-restart',
  'broker-kill',
  'kafka-cut',
  'kafka-slow',
  'store-cut',
  'store-slow',
  'store-500',
  'store-503',
  'store-late',
  'store-reset',
  'store-kill',
  'store-full',
] as const

const LONG_SHARE = 0.15
const LONG_FACTOR = 4

export type FaultKind = (typeof FAULT_KINDS)[number]

/** Something that goes wrong for a while. */
export interface Fault {
  readonly kind: FaultKind
  /** Two faults that need the same do not meet. */
  readonly needs: string
  /** Ends when all is well again. */
  readonly happen: () => Promise<void>
}

export interface FaultParts {
  readonly field: Field
  readonly archivers: readonly Archiver[]
  readonly random: () => number
  /** The small file system of the store's data; without it the store's disk is not filled. */
  readonly storePath: string | undefined
}

/** All that can go wrong here. */
export function createFaults({ field, archivers, random, storePath }: FaultParts): Fault[] {
  const { kafka, kafkaNetwork, store, storeNetwork, storeAnswers } = field
  const between = (least: number, most: number) => least + Math.floor(random() * (most - least))
  // Now and then longer than what is tried again right away.
  const lasting = (least: number, most: number) => after(between(least, most) * (random() < LONG_SHARE ? LONG_FACTOR : 1))
  const free = new Set(archivers)
  const withArchiver = async (act: (archiver: Archiver) => Promise<void>) => {
    const archiver = [...free][between(0, free.size)]!
    free.delete(archiver)
    await act(archiver)
    free.add(archiver)
  }
  const badAnswers = (faults: readonly AnswerFault[], share: number) => async () => {
    // Late ones may come when who asked has given up, or is gone, and another has its lanes.
    storeAnswers.setPlan({ share, faults, delayMs: between(500, SESSION_TIMEOUT_MS + 4_000) })
    await lasting(3_000, 6_000)
    storeAnswers.setPlan(undefined)
  }
  const faults: Fault[] = [
    {
      kind: 'archiver-kill',
      needs: 'archiver-kill',
      happen: () =>
        withArchiver(async (archiver) => {
          await archiver.kill()
          await lasting(0, 2_000)
          await archiver.start()
        }),
    },
    {
      kind: 'archiver-pause',
      needs: 'archiver-pause',
      // Its lanes are given to others meanwhile; then it goes on where it was, and knows nothing of that.
      happen: () =>
        withArchiver(async (archiver) => {
          archiver.pause()
          await after(between(SESSION_TIMEOUT_MS + 2_000, SESSION_TIMEOUT_MS + 5_000))
          archiver.resume()
        }),
    },
    { kind: 'broker-restart', needs: 'broker', happen: () => kafka.restart() },
    {
      kind: 'broker-kill',
      needs: 'broker',
      async happen() {
        await kafka.kill()
        await lasting(0, 2_000)
        await kafka.start()
      },
    },
    {
      kind: 'kafka-cut',
      needs: 'kafka-network',
      happen: () => cut(kafkaNetwork, CUTS[between(0, CUTS.length)]!, () => lasting(1_000, 8_000)),
    },
    { kind: 'kafka-slow', needs: 'kafka-network', happen: () => slow(kafkaNetwork, () => lasting(3_000, 6_000)) },
    {
      kind: 'store-cut',
      needs: 'store-network',
      happen: () => cut(storeNetwork, CUTS[between(0, CUTS.length)]!, () => lasting(1_000, 8_000)),
    },
    { kind: 'store-slow', needs: 'store-network', happen: () => slow(storeNetwork, () => lasting(3_000, 6_000)) },
    { kind: 'store-500', needs: 'store-answers', happen: badAnswers(['status-500'], 0.6) },
    { kind: 'store-503', needs: 'store-answers', happen: badAnswers(['status-503'], 0.9) },
    { kind: 'store-late', needs: 'store-answers', happen: badAnswers(['slow', 'slow', 'slow', 'hang'], 0.7) },
    { kind: 'store-reset', needs: 'store-answers', happen: badAnswers(['reset', 'lost-answer', 'cut-answer'], 0.6) },
    {
      kind: 'store-kill',
      // It does not start where its disk is full.
      needs: 'store-disk',
      async happen() {
        await store.kill()
        await lasting(0, 2_000)
        await store.start()
      },
    },
  ]
  if (storePath === undefined) return faults
  const full: Fault = {
    kind: 'store-full',
    needs: 'store-disk',
    async happen() {
      const giveBack = await fill(storePath)
      await lasting(3_000, 6_000)
      await giveBack()
    },
  }
  return [...faults, full]
}

/** Closes every connection and opens none; or lets nothing through, or no answer, and nobody is told. */
const CUTS = ['told', 'silent', 'answers'] as const

export async function cut(network: Proxy, how: (typeof CUTS)[number], lasts: () => Promise<void>): Promise<void> {
  if (how === 'told') {
    await network.disable()
    await lasts()
    await network.enable()
    return
  }
  const streams = how === 'silent' ? (['upstream', 'downstream'] as const) : (['downstream'] as const)
  const away: (() => Promise<void>)[] = []
  // One after the other: toxiproxy has been seen to hang over both at once.
  for (const stream of streams) away.push(await network.add('timeout', { timeout: 0 }, { stream }))
  await lasts()
  for (const remove of away) await remove()
}

/** Late, narrow, and now and then a connection ends. */
export async function slow(network: Proxy, lasts: () => Promise<void>): Promise<void> {
  const away = [
    await network.add('reset_peer', { timeout: 1_000 }, { toxicity: 0.2 }),
    await network.add('latency', { latency: 200, jitter: 150 }),
    await network.add('bandwidth', { rate: 200 }),
  ]
  await lasts()
  // The last first: a toxic is gone when all that it holds has gone through those behind it.
  for (const remove of away.toReversed()) await remove()
}
