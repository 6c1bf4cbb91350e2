import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { type MessageBatch, sliceBatch } from '../../batch/batch.ts'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import { followChains } from '../../index/follow.ts'
import { readLane } from '../../search/read.ts'
import type { LaneId } from '../../source/lane.ts'
import { isPassed, positionBehind } from '../../source/source.ts'
import { type Cli, defineCommand } from '../command.ts'
import { FORMATS, type MessageFormat, printed } from '../messages-out.ts'
import { openArchive, openBrokerIfThere, requireArchivedTopic, requireTopic } from '../open.ts'
import { wholeNumber } from '../parse.ts'

interface TailOptions {
  readonly count: number
  readonly follow?: true
  readonly lane?: string
  readonly of: 'source' | 'archive'
  readonly format: MessageFormat
}

/** Where to read a topic from: lanes with their ends, and a lane's messages between two positions. */
interface Readable extends AsyncDisposable {
  readonly lanes: readonly { readonly lane: LaneId; readonly oldest: number; readonly next: number }[]
  /** From a position to before another; without that one, also what is still to come. */
  read(lane: LaneId, from: number, to: number | undefined): AsyncIterable<MessageBatch>
}

const LOOK_MS = 1000

/** `millpond tail`: the end of a topic. */
export function tailCommand(cli: Cli): Command {
  return defineCommand('tail', {
    summary: 'show the newest messages of a topic, and those to come',
    description: `Shows the newest messages of a topic by timestamp, and with --follow those to come, lane by lane as they arrive. It reads the
source (the local log, Kafka), or with --of archive what is archived; it is in no consumer group and changes nothing.`,
    examples: [
      { run: 'millpond tail orders', does: 'the last ten' },
      { run: 'millpond tail orders -n 0 --follow --format raw', does: 'values to come, a line each' },
      { run: 'millpond tail orders --of archive', does: 'the last ten that are archived' },
    ],
  })
    .argument('<topic>', 'the topic')
    .addOption(
      new Option('-n, --count <count>', 'so many of the newest').argParser(wholeNumber('--count', 0, 100_000)).default(10),
    )
    .addOption(new Option('-F, --follow', 'go on with what comes'))
    .addOption(new Option('-l, --lane <lane>', 'only this lane'))
    .addOption(new Option('--of <place>', 'where to read').choices(['source', 'archive']).default('source'))
    .addOption(new Option('-f, --format <format>', 'how messages are printed').choices(FORMATS).default('json'))
    .action(async (topic: string, options: TailOptions) => {
      const config = await cli.loadConfig()
      await using readable = await (options.of === 'source'
        ? openBrokerTail(config, topic, cli.signal)
        : openArchiveTail(config, topic, cli.signal))
      const lanes = readable.lanes.filter(({ lane }) => options.lane === undefined || lane.lane === options.lane)
      if (options.lane !== undefined && lanes.length === 0) {
        throw new MillpondError('LANE_UNKNOWN', `topic ${topic} has no lane ${options.lane}`, {
          details: { topic, lane: options.lane },
        })
      }
      await printNewest(cli, readable, lanes, options)
      if (!options.follow) return
      await Promise.all(lanes.map((end) => printFurther(cli, readable, end, options.format)))
    })
}

type End = Readable['lanes'][number]

async function printNewest(cli: Cli, readable: Readable, lanes: readonly End[], { count, format }: TailOptions): Promise<void> {
  if (count === 0) return
  const newest: { readonly lane: LaneId; readonly batch: MessageBatch; readonly timestamp: number }[] = []
  for (const { lane, oldest, next } of lanes) {
    const from = Math.max(oldest, next - count)
    if (from >= next) continue
    for await (const batch of readable.read(lane, from, next)) {
      for (let row = 0; row < batch.count; row++) {
        newest.push({ lane, batch: sliceBatch(batch, row, row + 1), timestamp: batch.timestamps[row]! })
      }
    }
  }
  for (const { lane, batch } of newest.sort((a, b) => a.timestamp - b.timestamp).slice(-count))
    await cli.write(printed(batch, lane, format))
}

async function printFurther(cli: Cli, readable: Readable, { lane, next }: End, format: MessageFormat): Promise<void> {
  for await (const batch of readable.read(lane, next, undefined)) await cli.write(printed(batch, lane, format))
}

/** The messages below a position. */
function upTo(batch: MessageBatch, to: number): MessageBatch {
  const end = batch.positions.findIndex((position) => position >= to)
  return end === -1 ? batch : sliceBatch(batch, 0, end)
}

async function openBrokerTail(config: Config, topic: string, signal: AbortSignal): Promise<Readable> {
  await using opened = new AsyncDisposableStack()
  const broker = opened.use(await openBrokerIfThere(config))
  const topics = (await broker?.topics()) ?? []
  requireTopic(
    topic,
    topics.map(({ name }) => name),
    broker?.place ?? 'the log',
  )
  const source = opened.use(await broker!.openSource())
  const found = topics.find(({ name }) => name === topic)!
  const idOf = (lane: number): LaneId => ({ topic, topicId: found.topicId, lane: String(lane) })
  const lanes = (await broker!.ranges(found)).map((range, lane) => ({ lane: idOf(lane), ...range }))
  const never = new AbortController().signal
  const kept = opened.move()
  return {
    lanes,
    async *read(lane, from, to) {
      const done = new AbortController()
      const ending = AbortSignal.any([signal, done.signal])
      for await (const given of source.read({ ...lane, startPosition: from, revoked: never }, from, ending)) {
        if (!isPassed(given)) {
          const wanted = to === undefined ? given : upTo(given, to)
          if (wanted.count > 0) yield wanted
        }
        if (to !== undefined && positionBehind(given) >= to) return
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function openArchiveTail(config: Config, topic: string, signal: AbortSignal): Promise<Readable> {
  await using opened = new AsyncDisposableStack()
  const archive = opened.use(await openArchive(config, { follow: true, signal }))
  await requireArchivedTopic(archive, topic)
  const lanes = (await archive.index.lanes(topic)).map((lane) => ({ lane, oldest: lane.firstPosition, next: lane.nextPosition }))
  const kept = opened.move()
  return {
    lanes,
    async *read(lane, from, to) {
      let next = from
      for (;;) {
        const positions = { from: next, ...(to === undefined ? {} : { to }) }
        for await (const { batch, nextPosition } of readLane(archive, lane, { positions }, { signal })) {
          yield batch
          next = nextPosition
        }
        if (to !== undefined || signal.aborted) return
        await wait(LOOK_MS, undefined, { signal }).catch(() => undefined)
        if (signal.aborted) return
        await followChains(archive.store, archive.index, lane, signal)
      }
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}
