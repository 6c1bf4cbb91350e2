import { describe, expect, it } from 'vitest'
import type { MessageBatch } from '../../src/batch/batch.ts'
import type { MessageInput } from '../../src/batch/builder.ts'
import { type Message, messagesOf } from '../../src/batch/view.ts'
import { decodeBlock } from '../../src/encode/avro-block.ts'
import type { Codec, LookupField } from '../../src/encode/block.ts'
import { type Lane, laneName } from '../../src/source/lane.ts'
import { isPassed, positionBehind, type Source, withoutPassed } from '../../src/source/source.ts'
import { until } from '../live/until.ts'

/** A message before the broker gave it a position. */
export type NewMessage = Omit<MessageInput, 'position'>

/** A broker of the contract's own, with nothing in it. */
export interface SourceFixture extends AsyncDisposable {
  /** Whether the broker keeps message ids. */
  readonly keepsIds: boolean
  /** Makes a topic with so many lanes. */
  createTopic(topic: string, lanes: number): Promise<void>
  /** Appends messages; resolves when the broker has them. */
  produce(topic: string, messages: readonly NewMessage[]): Promise<void>
  /** Joins the group as another member; sees the topics that match. */
  openSource(options: { readonly topics: readonly string[]; readonly group: string; readonly member: string }): Source
}

const plainBytes = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('latin1'))

/** A message in a form that compares by content. */
export const plain = (message: Message, keepsIds = true) => ({
  timestamp: message.timestamp,
  key: plainBytes(message.key),
  value: plainBytes(message.value),
  id: keepsIds ? message.id : null,
  headers: message.headers.map(({ name, value }) => ({ name, value: plainBytes(value) })),
})

const textBytes = (text: string | Uint8Array | null | undefined) =>
  text === null || text === undefined ? null : plainBytes(typeof text === 'string' ? Buffer.from(text) : text)

/** What `plain` gives for a message that was sent. */
export const plainInput = (message: NewMessage, keepsIds = true) => ({
  timestamp: message.timestamp,
  key: textBytes(message.key),
  value: textBytes(message.value),
  id: keepsIds ? (message.id ?? null) : null,
  headers: (message.headers ?? []).map(({ name, value }) => ({ name, value: textBytes(value) })),
})

/** Messages with everything that may differ in them, told apart by `number` in the value. */
export const variedMessages = (count: number, keys = 7): NewMessage[] =>
  Array.from({ length: count }, (_, number) => ({
    timestamp: 1_700_000_000_000 - number * 17,
    key: number % 5 === 4 ? null : `key-${number % keys}`,
    value: number % 11 === 10 ? null : JSON.stringify({ number }),
    id: number % 3 === 0 ? `id-${number}` : null,
    headers: [
      { name: 'repeated', value: 'one' },
      { name: 'repeated', value: number % 2 === 0 ? '' : null },
      { name: 'bytes', value: Uint8Array.of(0, 255, number & 0xff) },
    ].slice(0, number % 4),
  }))

/** Numbered messages, their order visible. */
export const numbered = (from: number, to: number, key: (number: number) => string | null = () => 'one'): NewMessage[] =>
  Array.from({ length: to - from }, (_, i) => ({ timestamp: 1_700_000_000_000, key: key(from + i), value: String(from + i) }))

/** Lanes of the source, collected while the test runs. */
export function collectLanes(source: Source, signal: AbortSignal): { readonly lanes: Lane[]; readonly done: Promise<void> } {
  const lanes: Lane[] = []
  const collect = async () => {
    for await (const lane of source.lanes(signal)) lanes.push(lane)
  }
  return { lanes, done: collect() }
}

/** Lanes that are still this member's. */
export const ownedBy = (lanes: readonly Lane[]): Lane[] => lanes.filter((lane) => !lane.revoked.aborted)

/** Messages of the lane from the position to the end that the broker has now. */
export async function readToEnd(source: Source, lane: Lane, position: number): Promise<Message[]> {
  const range = await source.range(lane)
  const stop = new AbortController()
  const messages: Message[] = []
  if (range === undefined || position >= range.next) return messages
  for await (const given of source.read(lane, position, stop.signal)) {
    expect(isPassed(given) || given.count > 0).toBe(true)
    if (!isPassed(given)) for (const message of messagesOf(given)) messages.push(message)
    if (positionBehind(given) >= range.next) stop.abort()
  }
  return messages
}

/** As `readToEnd`, through the blocks that the source hands over. */
export async function readBlocksToEnd(
  source: Source,
  lane: Lane,
  position: number,
  request: { readonly codec: Codec; readonly lookups: readonly LookupField[] },
): Promise<Message[]> {
  const range = await source.range(lane)
  const stop = new AbortController()
  const messages: Message[] = []
  if (range === undefined || position >= range.next) return messages
  for await (const block of source.readBlocks!(lane, position, request, stop.signal)) {
    if (isPassed(block)) {
      if (block.passedTo >= range.next) stop.abort()
      continue
    }
    const batch = await decodeBlock(block)
    expect(block.codec).toBe(request.codec)
    expect(block.filters.map(({ field }) => field)).toEqual(request.lookups)
    expect([block.count, block.firstPosition, block.lastPosition]).toEqual([batch.count, ...ends(batch)])
    expect([block.minTimestamp, block.maxTimestamp]).toEqual([Math.min(...batch.timestamps), Math.max(...batch.timestamps)])
    for (const message of messagesOf(batch)) messages.push(message)
    if (block.lastPosition >= range.next - 1) stop.abort()
  }
  return messages
}

const ends = ({ positions, count }: MessageBatch) => [positions[0]!, positions[count - 1]!]

/** What every source must hold to. */
export function sourceContract(name: string, open: () => Promise<SourceFixture>): void {
  const withSource = async (
    topics: readonly string[],
    use: (fixture: SourceFixture, source: Source, lanes: readonly Lane[]) => Promise<void>,
    prepare: (fixture: SourceFixture) => Promise<void>,
  ) => {
    await using fixture = await open()
    await prepare(fixture)
    await using source = fixture.openSource({ topics, group: 'contract', member: 'one' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await use(fixture, source, lanes)
    stop.abort()
    await done
  }

  describe(`source contract: ${name}`, () => {
    it('gives the only member every lane, each with its identity', async () => {
      await withSource(
        ['orders'],
        async (_, source, lanes) => {
          await until(() => lanes.length === 3, 'three lanes')
          expect(lanes.map((lane) => laneName(lane)).sort()).toEqual(['orders/0', 'orders/1', 'orders/2'])
          expect(new Set(lanes.map(({ topicId }) => topicId)).size).toBe(1)
          for (const lane of lanes) expect(lane.startPosition).toBe((await source.range(lane))?.oldest ?? 0)
        },
        (fixture) => fixture.createTopic('orders', 3),
      )
    })

    it('gives every message once, whole, and in the order of its lane', async () => {
      const sent = variedMessages(500)
      await withSource(
        ['orders'],
        async (fixture, source, lanes) => {
          await until(() => lanes.length === 3, 'three lanes')
          const byLane = await Promise.all(lanes.map((lane) => readToEnd(source, lane, lane.startPosition)))
          for (const messages of byLane) {
            const positions = messages.map(({ position }) => position)
            expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b))
          }
          const text = (message: object) => JSON.stringify(message)
          const received = byLane.flat().map((message) => text(plain(message, fixture.keepsIds)))
          expect(received.sort()).toEqual(sent.map((message) => text(plainInput(message, fixture.keepsIds))).sort())
          for (let key = 0; key < 7; key++) {
            const lanesOfKey = byLane.map((messages) => messages.filter((message) => plainBytes(message.key) === `key-${key}`))
            const own = lanesOfKey.filter((messages) => messages.length > 0)
            expect(own).toHaveLength(1)
            const wanted = sent
              .filter((message) => message.key === `key-${key}`)
              .map((message) => plainInput(message, fixture.keepsIds))
            expect(own[0]!.map((message) => plain(message, fixture.keepsIds))).toEqual(wanted)
          }
        },
        async (fixture) => {
          await fixture.createTopic('orders', 3)
          await fixture.produce('orders', sent.slice(0, 200))
          for (const message of sent.slice(200, 220)) await fixture.produce('orders', [message])
          await fixture.produce('orders', sent.slice(220))
        },
      )
    })

    it('reads from every position, as often as asked, with what was not acknowledged coming again', async () => {
      await withSource(
        ['orders'],
        async (_, source, lanes) => {
          await until(() => lanes.length === 1, 'the lane')
          const lane = lanes[0]!
          const all = await readToEnd(source, lane, lane.startPosition)
          expect(all).toHaveLength(40)
          await source.acknowledge(lane, all[10]!.position)
          for (let from = 0; from < all.length; from++) {
            const rest = await readToEnd(source, lane, all[from]!.position)
            expect(rest.map((message) => plain(message))).toEqual(all.slice(from).map((message) => plain(message)))
          }
        },
        async (fixture) => {
          await fixture.createTopic('orders', 1)
          await fixture.produce('orders', numbered(0, 15))
          await fixture.produce('orders', numbered(15, 16))
          await fixture.produce('orders', numbered(16, 40))
        },
      )
    })

    it('goes on with what comes while it reads, until its signal aborts', async () => {
      await withSource(
        ['orders'],
        async (fixture, source, lanes) => {
          await until(() => lanes.length === 1, 'the lane')
          const stop = new AbortController()
          const values: number[] = []
          const reading = (async () => {
            for await (const batch of withoutPassed(source.read(lanes[0]!, lanes[0]!.startPosition, stop.signal))) {
              for (const message of messagesOf(batch)) values.push(Number(plainBytes(message.value)))
            }
          })()
          for (let sent = 0; sent < 50; sent += 10) {
            await fixture.produce('orders', numbered(sent, sent + 10))
            await until(() => values.length === sent + 10, `${sent + 10} messages`)
          }
          stop.abort()
          await reading
          expect(values).toEqual(Array.from({ length: 50 }, (_, i) => i))
        },
        (fixture) => fixture.createTopic('orders', 1),
      )
    })

    it('ends at once where the signal has aborted already', async () => {
      await withSource(
        ['orders'],
        async (_, source, lanes) => {
          await until(() => lanes.length === 1, 'the lane')
          for await (const batch of source.read(lanes[0]!, 0, AbortSignal.abort())) expect(batch).toBeUndefined()
        },
        async (fixture) => {
          await fixture.createTopic('orders', 1)
          await fixture.produce('orders', numbered(0, 3))
        },
      )
    })

    it('says which positions it has', async () => {
      await withSource(
        ['orders'],
        async (_, source, lanes) => {
          await until(() => lanes.length === 1, 'the lane')
          const range = await source.range(lanes[0]!)
          if (range === undefined) return
          const positions = (await readToEnd(source, lanes[0]!, range.oldest)).map(({ position }) => position)
          expect(positions[0]).toBeGreaterThanOrEqual(range.oldest)
          expect(positions.at(-1)).toBe(range.next - 1)
        },
        async (fixture) => {
          await fixture.createTopic('orders', 1)
          await fixture.produce('orders', numbered(0, 30))
        },
      )
    })

    it.each([
      { codec: 'zstandard', lookups: ['key', 'header:repeated'] },
      { codec: 'null', lookups: [] },
      { codec: 'deflate', lookups: ['id'] },
    ] as const)(
      'hands over blocks in $codec with the filters asked for that hold what reading gives',
      async ({ codec, lookups }) => {
        await withSource(
          ['orders'],
          async (_, source, lanes) => {
            await until(() => lanes.length === 2, 'two lanes')
            if (source.readBlocks === undefined) return
            for (const lane of lanes) {
              const messages = await readToEnd(source, lane, lane.startPosition)
              for (const from of [0, 1, Math.floor(messages.length / 2), messages.length - 1]) {
                const blocks = await readBlocksToEnd(source, lane, messages[from]!.position, { codec, lookups })
                expect(blocks.map((message) => [message.position, plain(message)])).toEqual(
                  messages.slice(from).map((message) => [message.position, plain(message)]),
                )
              }
            }
          },
          async (fixture) => {
            await fixture.createTopic('orders', 2)
            await fixture.produce('orders', variedMessages(9000))
            for (const message of variedMessages(30)) await fixture.produce('orders', [message])
          },
        )
      },
    )

    it('shares lanes among members and gives them on when one leaves', async () => {
      await using fixture = await open()
      await fixture.createTopic('orders', 4)
      await fixture.produce('orders', numbered(0, 100, String))
      const stop = new AbortController()
      const sources = ['one', 'two'].map((member) => fixture.openSource({ topics: ['orders'], group: 'shared', member }))
      await using first = sources[0]!
      const second = sources[1]!
      const one = collectLanes(first, stop.signal)
      await until(() => ownedBy(one.lanes).length === 4, 'all lanes at the first member')
      const two = collectLanes(second, stop.signal)
      await until(() => ownedBy(one.lanes).length === 2 && ownedBy(two.lanes).length === 2, 'two lanes for each')
      const names = [...ownedBy(one.lanes), ...ownedBy(two.lanes)].map(({ lane }) => lane)
      expect(names.sort()).toEqual(['0', '1', '2', '3'])
      await second[Symbol.asyncDispose]()
      await until(() => ownedBy(one.lanes).length === 4, 'all lanes at the first member again')
      expect(ownedBy(two.lanes)).toEqual([])
      stop.abort()
      await Promise.all([one.done, two.done])
    })

    it('gives every group all messages', async () => {
      await using fixture = await open()
      await fixture.createTopic('orders', 1)
      await fixture.produce('orders', numbered(0, 5))
      for (const group of ['left', 'right']) {
        await using source = fixture.openSource({ topics: ['orders'], group, member: 'one' })
        const stop = new AbortController()
        const { lanes, done } = collectLanes(source, stop.signal)
        await until(() => lanes.length === 1, 'the lane')
        expect(await readToEnd(source, lanes[0]!, 0)).toHaveLength(5)
        stop.abort()
        await done
      }
    })

    it('takes up topics that come later, where they match', async () => {
      await withSource(
        ['orders*', 'exact'],
        async (fixture, _, lanes) => {
          await until(() => lanes.length === 1, 'the first topic')
          for (const topic of ['orders-late', 'other', 'exact', 'exactly']) await fixture.createTopic(topic, 1)
          await until(() => lanes.length === 3, 'the topics that match')
          expect(lanes.map(({ topic }) => topic).sort()).toEqual(['exact', 'orders', 'orders-late'])
        },
        (fixture) => fixture.createTopic('orders', 1),
      )
    })
  })
}
