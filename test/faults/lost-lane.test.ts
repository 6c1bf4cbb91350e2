import { describe, expect, it } from 'vitest'
import { createCountSink } from '../../src/adapters/count/sink.ts'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { runArchive } from '../../src/archive.ts'
import type { ArchiveEvent } from '../../src/archive/options.ts'
import { verifyArchive } from '../../src/commit/verify.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { createMemorySource } from '../live/memory-source.ts'
import { until } from '../live/until.ts'

const HOUR_MS = 3_600_000
const COUNT = 50

/** A store that takes nothing while it is away. */
function leavingStore(store: Store) {
  let isAway = false
  const leave = () => {
    isAway = true
  }
  const comeBack = () => {
    isAway = false
  }
  const away = () => {
    if (isAway) throw new MillpondError('STORE_UNAVAILABLE', 'the store is away')
  }
  const leaving: Store = {
    ...store,
    async putIfAbsent(...args) {
      away()
      return store.putIfAbsent(...args)
    },
    async openWriter(key) {
      const writer = await store.openWriter(key)
      return {
        ...writer,
        async finish() {
          away()
          return writer.finish()
        },
      }
    },
  }
  return { store: leaving, leave, comeBack }
}

function start(source: ReturnType<typeof createMemorySource>, store: Store, writer: string, signal: AbortSignal) {
  const events: ArchiveEvent[] = []
  const rotate = { maxCount: 1_000_000, maxBytes: 1 << 30, maxSpanMs: Infinity, maxAgeMs: HOUR_MS, idleMs: HOUR_MS }
  const ended = runArchive(
    {
      source,
      store,
      deadLetters: createCountSink(),
      nowMs: Date.now,
      monotonicMs: () => performance.now(),
      random: () => 0,
      randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
      onEvent: (event) => events.push(event),
    },
    {
      format: 'avro',
      codec: 'zstandard',
      lookups: [],
      blockBytes: 4096,
      rotate,
      memoryBytes: 64 << 20,
      writer,
      untilCaughtUp: false,
    },
    signal,
  )
  return { events, ended }
}

function sourceOf() {
  const source = createMemorySource('orders')
  source.produce(
    '0',
    Array.from({ length: COUNT }, (_, position) => ({ position, timestamp: position, key: null, value: `${position}` })),
  )
  return source
}

describe('a lane that is taken away while the store is away', () => {
  it('is left to who has it now: nothing has failed for good, and the archiver ends well', async () => {
    const source = sourceOf()
    const memory = createMemoryStore()
    const { store, leave, comeBack } = leavingStore(memory)
    const first = new AbortController()
    const { events, ended } = start(source, store, 'w1', first.signal)
    await until(() => source.given('0') === COUNT, 'the lane to be read')
    leave()
    source.reassign('0')
    await until(() => events.some(({ kind }) => kind === 'lane-given-up'), 'the lane to be given up')
    comeBack()
    first.abort()
    await ended
    expect(events.map(({ kind }) => kind)).not.toContain('lane-stopped')

    const other = sourceOf()
    const second = new AbortController()
    const next = start(other, memory, 'w2', second.signal)
    await until(() => other.given('0') === COUNT, 'the lane to be read again')
    second.abort()
    await next.ended
    const { clean, messages } = await verifyArchive(memory)
    expect({ clean, messages }).toEqual({ clean: true, messages: COUNT })
  })

  it('is told as failed where the archiver itself is stopped: what was read is not archived by it', async () => {
    const source = sourceOf()
    const { store, leave } = leavingStore(createMemoryStore())
    const stop = new AbortController()
    const { events, ended } = start(source, store, 'w1', stop.signal)
    await until(() => source.given('0') === COUNT, 'the lane to be read')
    leave()
    stop.abort()
    await expect(ended).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(events.map(({ kind }) => kind)).toContain('lane-stopped')
  })
})
