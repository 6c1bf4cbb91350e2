import { type Command, Option } from 'commander'
import type { MessageBatch } from '../../batch/batch.ts'
import { compact } from '../../batch/compact.ts'
import { MillpondError } from '../../errors.ts'
import type { MessageQuery } from '../../search/query.ts'
import { createSelection } from '../../search/selection.ts'
import type { LaneId } from '../../source/lane.ts'
import { type Cli, defineCommand } from '../command.ts'
import { newestOf } from '../look-back.ts'
import { FORMATS, type MessageFormat, printed } from '../messages-out.ts'
import { wholeNumber } from '../parse.ts'
import { addSelectionWithin, queryOf, type SelectionOptions } from '../selection.ts'
import { type LaneEnds, openArchiveTail, openBrokerTail, type TailPlace } from '../tail-places.ts'

interface TailOptions extends Omit<SelectionOptions, 'topic'> {
  readonly count: number
  readonly follow?: true
  readonly of: 'source' | 'archive'
  readonly format: MessageFormat
  readonly decode?: true
}

/** `millpond tail`: the end of a topic. */
export function tailCommand(cli: Cli): Command {
  const command = defineCommand('tail', {
    summary: 'show the newest messages of a topic, and those to come',
    description: `Shows the newest messages of a topic by timestamp, and with --follow those to come, lane by lane as they arrive. It reads the
source (the local log, Kafka), or with --of archive what is archived; it is in no consumer group and changes nothing. Messages are
selected as by millpond search: all conditions must hold, and --count is of those that pass. A source has no index, so that it is read back
until so many have passed; --position says how far back at the most.`,
    examples: [
      { run: 'millpond tail orders', does: 'the last ten' },
      { run: 'millpond tail orders -n 0 --follow --format raw', does: 'values to come, a line each' },
      { run: 'millpond tail orders --of archive', does: 'the last ten that are archived' },
      { run: `millpond tail orders --follow --where '.amount > 100'`, does: 'the last ten of them, and those to come' },
      { run: 'millpond tail orders --key 4711 --header region=eu', does: 'by key and header' },
    ],
  })
    .argument('<topic>', 'the topic')
    .addOption(
      new Option('-n, --count <count>', 'so many of the newest').argParser(wholeNumber('--count', 0, 100_000)).default(10),
    )
    .addOption(new Option('-F, --follow', 'go on with what comes'))
  return addSelectionWithin(command)
    .addOption(new Option('--of <place>', 'where to read').choices(['source', 'archive']).default('source'))
    .addOption(new Option('-f, --format <format>', 'how messages are printed').choices(FORMATS).default('json'))
    .addOption(new Option('--decode', 'show values of registered schemas as JSON'))
    .action((topic: string, options: TailOptions) => tail(cli, topic, options))
}

/** What is shown, and how. */
interface Tailing {
  readonly cli: Cli
  readonly place: TailPlace
  readonly options: TailOptions
  /** The lanes of which something may be meant, with the positions between which that is. */
  readonly lanes: readonly LaneEnds[]
  /** Where to stop: no position from here on is meant. */
  readonly end: number
  /** Whether every message of the lanes is meant. */
  readonly isAll: boolean
}

async function tail(cli: Cli, topic: string, options: TailOptions): Promise<void> {
  const query = queryOf({ ...options, topic })
  const order = { config: await cli.loadConfig(), topic, query, signal: cli.signal }
  await using place = await (options.of === 'source' ? openBrokerTail(order) : openArchiveTail(order))
  const tailing = { cli, place, options, ...meant(place.lanes, query) }
  if (options.count > 0) await printNewest(tailing)
  if (options.follow) await follow(tailing, query)
}

/** Until it is stopped, or nothing more can be meant. */
async function follow(tailing: Tailing, query: MessageQuery): Promise<void> {
  const { cli, place, lanes, end } = tailing
  const later = query.lanes === undefined && end === Infinity ? place.laterLanes?.() : undefined
  try {
    await Promise.all([
      ...lanes.map((lane) => printFurther(tailing, lane)),
      ...(later === undefined ? [] : [printLater(tailing, later[Symbol.asyncIterator]())]),
    ])
  } catch (error) {
    // That it was stopped is how it ends.
    if (!cli.signal.aborted) throw error
  }
}

/** From the beginning of every lane that comes. */
async function printLater(tailing: Tailing, later: AsyncIterator<LaneEnds>): Promise<void> {
  const { value, done } = await later.next()
  if (done === true) return
  await Promise.all([printFurther(tailing, { ...value, next: value.oldest }), printLater(tailing, later)])
}

/** @throws MillpondError `LANE_UNKNOWN`. */
function meant(all: readonly LaneEnds[], query: MessageQuery): Pick<Tailing, 'lanes' | 'end' | 'isAll'> {
  const missing = query.lanes?.find((name) => !all.some(({ lane }) => lane.lane === name))
  if (missing !== undefined) {
    throw new MillpondError('LANE_UNKNOWN', `topic ${query.topic} has no lane ${missing}`, {
      details: { topic: query.topic, lane: missing },
    })
  }
  const selection = createSelection(query)
  const { from = 0, to: end = Infinity } = selection.segments.positions ?? {}
  const lanes = all
    .filter(({ lane }) => selection.of(lane) !== undefined)
    .map(({ lane, oldest, next }) => ({ lane, oldest: Math.max(oldest, from), next }))
  const isAll = lanes.every(({ lane, oldest, next }) => {
    const range = {
      firstPosition: oldest,
      lastPosition: Math.min(next, end) - 1,
      minTimestamp: -Infinity,
      maxTimestamp: Infinity,
    }
    return selection.of(lane)!.verdict(range) === 'all'
  })
  return { lanes, end, isAll }
}

async function printNewest(tailing: Tailing): Promise<void> {
  const { cli, options, place, lanes, end, isAll } = tailing
  const { count } = options
  const newest = await lookingBack(cli, (onLooked) => newestOf(place, lanes, { count, end, isAll, onLooked }))
  // Who stops it while it looks back gets nothing, rather than what it had found.
  cli.signal.throwIfAborted()
  // Decoding copies what a batch holds.
  for (const { lane, batch } of newest) await print(tailing, lane, options.decode ? compact(batch) : batch)
}

async function lookingBack<T>(cli: Cli, look: (onLooked: (positions: number) => void) => Promise<T>): Promise<T> {
  let count = 0
  using _ = cli.progress({ label: 'looking back', state: () => ({ count }) })
  return await look((positions) => (count += positions))
}

async function printFurther(tailing: Tailing, { lane, next }: LaneEnds): Promise<void> {
  const { place, end } = tailing
  for await (const batch of place.read({ lane, from: next, to: end })) await print(tailing, lane, batch)
}

async function print({ cli, place, options: { format, decode } }: Tailing, lane: LaneId, batch: MessageBatch): Promise<void> {
  const shown = decode ? await place.values.decode(batch, lane.topic, cli.signal) : batch
  await cli.write(printed(shown, lane, format))
}
