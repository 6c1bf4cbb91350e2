import { type Command, Option } from 'commander'
import { openBroker } from '../../wiring.ts'
import { openKafkaCluster } from '../../wiring/kafka.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatCount, formatTable } from '../format.ts'
import { openArchiveIfThere, requireTopic } from '../open.ts'

/** How far behind its source one lane is. */
interface LaneLag {
  readonly topic: string
  readonly topicId: string
  readonly lane: string
  /** The next position that is to be archived, or read by the group; null where there is none yet. */
  readonly next: number | null
  readonly oldest: number
  readonly end: number
  readonly lag: number
  /** Positions that the source dropped before they were read. */
  readonly lost: number
}

interface LagOptions {
  readonly topic?: string
  readonly group?: string
}

/** `millpond lag`: lane by lane, what is not archived yet. */
export function lagCommand(cli: Cli): Command {
  return defineCommand('lag', {
    summary: 'show how far the archive, or a consumer group, is behind',
    description: `Shows for each lane of the source how much of it is not in the archive yet, and how much the source dropped before it was archived. With
--group the same for a consumer group of Kafka.`,
    examples: [
      { run: 'millpond lag', does: 'the archive, lane by lane' },
      { run: 'millpond lag --topic orders --json', does: 'JSON lines, one a lane' },
      { run: 'millpond lag --group billing', does: 'a consumer group of Kafka' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'only this topic'))
    .addOption(new Option('-g, --group <group>', 'of this consumer group (Kafka)'))
    .action(async ({ topic, group }: LagOptions) => {
      const all = await (group === undefined ? archiveLag(cli, topic) : groupLag(cli, group))
      const lags = all.filter((lane) => topic === undefined || lane.topic === topic)
      if (cli.json) {
        for (const lane of lags) await cli.printJson(lane)
        return
      }
      const rows = lags.map((lane) => [
        lane.topic,
        lane.lane,
        lane.next === null ? '' : String(lane.next),
        `${lane.oldest}..${lane.end}`,
        formatCount(lane.lag),
        lane.lost > 0 ? formatCount(lane.lost) : '',
      ])
      if (rows.length === 0) {
        const nothing = `${group} has committed nothing${topic === undefined ? '' : ` of ${topic}`}`
        return cli.print(group === undefined ? 'the source has no topics' : nothing)
      }
      await cli.print(formatTable([['topic', 'lane', 'next', 'in the source', 'lag', 'lost'], ...rows]))
      await cli.print(`${formatCount(lags.reduce((sum, { lag }) => sum + lag, 0))} behind in all`)
    })
}

async function archiveLag(cli: Cli, wanted: string | undefined): Promise<LaneLag[]> {
  const config = await cli.loadConfig()
  await using broker = await openBroker(config)
  await using archive = await openArchiveIfThere(config, cli.signal)
  const key = (...id: readonly string[]) => JSON.stringify(id)
  const archived = new Map(
    ((await archive?.index.lanes()) ?? []).map((lane) => [key(lane.topic, lane.topicId, lane.lane), lane.nextPosition]),
  )
  const topics = await broker.topics()
  if (wanted !== undefined)
    requireTopic(
      wanted,
      topics.map(({ name }) => name),
      broker.place,
    )
  const lags: LaneLag[] = []
  for (const topic of topics) {
    if (wanted !== undefined && topic.name !== wanted) continue
    for (const [lane, { oldest, next: end }] of (await broker.ranges(topic)).entries()) {
      const next = archived.get(key(topic.name, topic.topicId, String(lane)))
      lags.push({
        topic: topic.name,
        topicId: topic.topicId,
        lane: String(lane),
        next: next ?? null,
        oldest,
        end,
        lag: Math.max(0, end - Math.max(oldest, next ?? 0)),
        lost: next === undefined ? 0 : Math.max(0, oldest - next),
      })
    }
  }
  return lags
}

async function groupLag(cli: Cli, group: string): Promise<LaneLag[]> {
  await using cluster = await openKafkaCluster(await cli.loadConfig())
  const lags = await cluster.groupLag(group, cli.signal)
  return lags.map(({ topic, topicId, partition, nextOffset, oldest, end, lag, lost }) => ({
    topic,
    topicId,
    lane: String(partition),
    next: nextOffset,
    oldest,
    end,
    lag,
    lost,
  }))
}
