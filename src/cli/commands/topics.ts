import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import type { IndexedLane } from '../../index/segment-index.ts'
import type { LaneId } from '../../source/lane.ts'
import { type Log, openLog } from '../../wiring/local.ts'
import { addDefault, type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatTable, formatTime } from '../format.ts'
import { openArchiveIfThere, openBrokerIfThere, requireTopic } from '../open.ts'
import { durationOf, sizeOf, wholeNumber } from '../parse.ts'

/** `millpond topics`: list, show, create, delete. */
export function topicsCommand(cli: Cli): Command {
  const command = defineCommand('topics', {
    summary: 'list, show, create and delete topics',
    description:
      'Topics of the source (the local log, Kafka) and of the archive, and how far the archive is behind. Without more it lists them.',
    examples: [
      { run: 'millpond topics', does: 'every topic, with its lag' },
      { run: 'millpond topics show orders', does: 'its lanes' },
      { run: 'millpond topics create orders --partitions 8', does: 'before its first message, in the local log' },
    ],
  })
  return addDefault(command, listCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(createCommand(cli))
    .addCommand(deleteCommand(cli))
}

/** One lane, in the source and in the archive. */
interface LaneStatus {
  readonly topic: string
  readonly topicId: string
  readonly lane: string
  readonly source: { readonly oldest: number; readonly next: number } | null
  readonly archive: Pick<IndexedLane, 'firstPosition' | 'nextPosition' | 'messages' | 'bytes' | 'maxTimestamp'> | null
  /** Messages of the source that are not in the archive. */
  readonly lag: number
}

async function lanesOf(config: Config, signal: AbortSignal, wanted?: string): Promise<LaneStatus[]> {
  await using broker = await openBrokerIfThere(config)
  await using archive = await openArchiveIfThere(config, signal)
  const archived = (await archive?.index.lanes(wanted)) ?? []
  const lanes: LaneStatus[] = []
  const laneKey = (lane: LaneId) => JSON.stringify([lane.topic, lane.topicId, lane.lane])
  const byLane = new Map(archived.map((lane) => [laneKey(lane), lane]))
  const seen = new Set<IndexedLane>()
  for (const topic of (await broker?.topics()) ?? []) {
    const { name, topicId } = topic
    if (wanted !== undefined && name !== wanted) continue
    for (const [lane, range] of (await broker!.ranges(topic)).entries()) {
      const inArchive = byLane.get(laneKey({ topic: name, topicId, lane: String(lane) }))
      if (inArchive !== undefined) seen.add(inArchive)
      const lag = Math.max(0, range.next - Math.max(range.oldest, inArchive?.nextPosition ?? 0))
      lanes.push({ topic: name, topicId, lane: String(lane), source: range, archive: archivedOf(inArchive), lag })
    }
  }
  const others = archived.filter((lane) => !seen.has(lane))
  return [...lanes, ...others.map((lane) => ({ ...laneIdOf(lane), source: null, archive: archivedOf(lane), lag: 0 }))]
}

const laneIdOf = ({ topic, topicId, lane }: IndexedLane) => ({ topic, topicId, lane })

function archivedOf(lane: IndexedLane | undefined): LaneStatus['archive'] {
  if (lane === undefined) return null
  const { firstPosition, nextPosition, messages, bytes, maxTimestamp } = lane
  return { firstPosition, nextPosition, messages, bytes, maxTimestamp }
}

const total = (lanes: readonly LaneStatus[], count: (lane: LaneStatus) => number): number =>
  lanes.reduce((sum, lane) => sum + count(lane), 0)

function listCommand(cli: Cli): Command {
  return defineCommand('list', {
    summary: 'every topic of the source and of the archive',
    description: 'Lists topics with what the source still holds, what the archive holds, and how far the archive is behind.',
    examples: [{ run: 'millpond topics list --json', does: 'JSON lines, one a topic' }],
  }).action(async () => {
    const lanes = await lanesOf(await cli.loadConfig(), cli.signal)
    const topics = Map.groupBy(lanes, ({ topic, topicId }) => JSON.stringify([topic, topicId]))
    const rows = [...topics.values()].map((of) => ({
      topic: of[0]!.topic,
      topicId: of[0]!.topicId,
      lanes: of.length,
      inSource: total(of, ({ source }) => (source === null ? 0 : source.next - source.oldest)),
      archived: total(of, ({ archive }) => archive?.messages ?? 0),
      bytes: total(of, ({ archive }) => archive?.bytes ?? 0),
      lag: total(of, ({ lag }) => lag),
      isDeleted: of.every(({ source }) => source === null),
    }))
    if (cli.json) {
      for (const row of rows) await cli.printJson(row)
      return
    }
    if (rows.length === 0) return cli.print('no topics yet: millpond ingest <topic> <file>, or POST to /topics/<topic>/messages')
    const cells = rows.map((row) => [
      row.isDeleted ? `${row.topic} (archive only)` : row.topic,
      String(row.lanes),
      formatCount(row.inSource),
      formatCount(row.archived),
      formatBytes(row.bytes),
      formatCount(row.lag),
    ])
    await cli.print(formatTable([['topic', 'lanes', 'in the source', 'archived', 'bytes', 'lag'], ...cells]))
  })
}

function showCommand(cli: Cli): Command {
  return defineCommand('show', {
    summary: 'the lanes of a topic',
    description: 'Shows each lane of a topic: what the source holds, what the archive holds, how far it is behind.',
    examples: [
      { run: 'millpond topics show orders', does: 'lane by lane' },
      { run: 'millpond topics show orders --json', does: 'one JSON object' },
    ],
  })
    .argument('<topic>', 'the topic')
    .action(async (topic: string) => {
      const config = await cli.loadConfig()
      const lanes = await lanesOf(config, cli.signal, topic)
      if (lanes.length === 0)
        requireTopic(
          topic,
          [...new Set((await lanesOf(config, cli.signal)).map((lane) => lane.topic))],
          'the source or the archive',
        )
      const details = await topicDetails(config, topic)
      if (cli.json)
        return cli.printJson({
          topic,
          ...details,
          lanes: lanes.map(({ lane, topicId, source, archive, lag }) => ({ lane, topicId, source, archive, lag })),
        })
      // A topic that was made again has the lanes of each: their numbers alone would say nothing.
      const isOne = new Set(lanes.map(({ topicId }) => topicId)).size === 1
      const cells = lanes.map(({ lane, topicId, source, archive, lag }) => [
        ...(isOne ? [] : [topicId]),
        lane,
        source === null ? '' : `${source.oldest}..${source.next}`,
        archive === null ? '' : `${archive.firstPosition}..${archive.nextPosition}`,
        archive === null ? '' : formatBytes(archive.bytes),
        formatCount(lag),
        typeof archive?.maxTimestamp === 'number' ? formatTime(archive.maxTimestamp) : '',
      ])
      const titles = ['lane', 'in the source', 'archived', 'bytes', 'lag', 'newest archived']
      await cli.print(formatTable([[...(isOne ? [] : ['topic id']), ...titles], ...cells]))
      const { retentionMs, retentionBytes } = details ?? {}
      const age = typeof retentionMs === 'number' ? formatDuration(retentionMs) : undefined
      const size = typeof retentionBytes === 'number' ? `${formatBytes(retentionBytes)} a partition` : undefined
      if (details !== undefined)
        await cli.print(`the log keeps ${[age, size].filter((one) => one !== undefined).join(', ') || 'everything'}`)
    })
}

async function topicDetails(config: Config, topic: string): Promise<Awaited<ReturnType<Log['topics']>>[number] | undefined> {
  if (config.source.type !== 'local' || !existsSync(config.local.path)) return undefined
  await using log = await openLog(config)
  return (await log.topics()).find(({ name }) => name === topic)
}

/** @throws MillpondError `USAGE` where topics are not those of the local log. */
async function loadLocalConfig(cli: Cli): Promise<Config> {
  const config = await cli.loadConfig()
  if (config.source.type === 'local') return config
  throw new MillpondError('USAGE', `topics of source.type ${config.source.type} are made and deleted with the broker's own tools`)
}

interface CreateOptions {
  readonly partitions?: number
  readonly retentionAge?: number
  readonly retentionBytes?: number
}

function createCommand(cli: Cli): Command {
  return defineCommand('create', {
    summary: 'make a topic in the local log',
    description:
      'Makes a topic. What is not given is as `local` says in the configuration. The number of partitions never changes.',
    examples: [
      { run: 'millpond topics create orders --partitions 8 --retention-age 7d', does: 'eight lanes, a week in the log' },
    ],
  })
    .argument('<topic>', 'the topic')
    .addOption(new Option('-p, --partitions <count>', 'partitions').argParser(wholeNumber('--partitions', 1, 1024)))
    .addOption(
      new Option('--retention-age <duration>', 'how long the log keeps messages').argParser(durationOf('--retention-age')),
    )
    .addOption(
      new Option('--retention-bytes <size>', 'how much of a partition the log keeps').argParser(sizeOf('--retention-bytes')),
    )
    .action(async (topic: string, options: CreateOptions) => {
      const config = await loadLocalConfig(cli)
      await using log = await openLog(config)
      if ((await log.topics()).some(({ name }) => name === topic))
        throw new MillpondError('TOPIC_EXISTS', `topic ${topic} is there already`)
      const age = options.retentionAge ?? config.local.retention.maxAgeMs
      const bytes = options.retentionBytes ?? config.local.retention.maxBytes
      const made = await log.createTopic(topic, {
        partitions: options.partitions ?? config.local.partitions,
        ...(age === undefined ? {} : { retentionMs: age }),
        ...(bytes === undefined ? {} : { retentionBytes: bytes }),
      })
      await (cli.json ? cli.printJson(made) : cli.print(`made ${topic} with ${made.partitions} partitions`))
    })
}

function deleteCommand(cli: Cli): Command {
  return defineCommand('delete', {
    summary: 'delete a topic from the local log',
    description:
      'Deletes a topic and its messages from the local log; what is archived stays. Messages that are not archived are lost, so it needs --force while there are some.',
    examples: [{ run: 'millpond topics delete orders', does: 'after everything of it is archived' }],
  })
    .argument('<topic>', 'the topic')
    .addOption(new Option('--force', 'even if messages are not archived yet'))
    .action(async (topic: string, { force }: { readonly force?: true }) => {
      const config = await loadLocalConfig(cli)
      const lag = total(await lanesOf(config, cli.signal, topic), (lane) => lane.lag)
      await using log = await openLog(config)
      requireTopic(
        topic,
        (await log.topics()).map(({ name }) => name),
        'the log',
      )
      if (lag > 0 && !force) {
        throw new MillpondError(
          'USAGE',
          `${lag} messages of ${topic} are not archived and would be lost; archive them first (millpond archive --once), or say --force`,
        )
      }
      await log.deleteTopic(topic)
      await (cli.json
        ? cli.printJson({ topic, deleted: true, lost: lag })
        : cli.print(`deleted ${topic} from the log; its archive stays`))
    })
}
