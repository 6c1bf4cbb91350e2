import { type Command, Option } from 'commander'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import { expireArchive, type ExpireReport, type LaneExpiry } from '../../expire/expire.ts'
import { fitsPattern, isEmptyRule, retentionOf, type RetentionRules } from '../../expire/retention.ts'
import { laneName } from '../../source/lane.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatMessages, formatTable, formatTime } from '../format.ts'
import { durationOf, sizeOf, wholeNumber } from '../parse.ts'
import { askedBy, followIndex, holdsOf } from '../removal-text.ts'

interface ExpireWords {
  readonly topic?: string
  readonly lane?: string
  readonly olderThan?: number
  readonly maxBytes?: number
  readonly beforePosition?: number
  readonly reason?: string
  readonly keepRemoved?: number
  readonly now?: true
  readonly dryRun?: true
}

/** `millpond expire`: removes what is past its time. */
export function expireCommand(cli: Cli): Command {
  return defineCommand('expire', {
    summary: 'remove what is past its time; the chain goes on proving what was there',
    description: `Removes segments by the age of their newest message, by the bytes of a topic, or by position: as archive.expire says, or as the options say for
the topics that --topic names. A record beside the chain first says what goes, why and on whose word; then the objects are deleted, --keep-removed later, by
this command, \`millpond serve\` or \`millpond verify --collect\`. Commits stay. Nothing of a topic under legal hold (\`millpond hold\`) is removed.`,
    examples: [
      { run: 'millpond expire --dry-run', does: 'what is due by archive.expire' },
      { run: 'millpond expire', does: 'removes it' },
      { run: "millpond expire --topic 'logs.*' --older-than 90d", does: 'all topics of a pattern, by age' },
      { run: 'millpond expire --topic orders --max-bytes 500GiB --now', does: 'by size, without waiting for readers at work' },
      { run: 'millpond expire --topic orders --lane 3 --before-position 120000', does: 'the beginning of a lane' },
    ],
  })
    .addOption(new Option('-t, --topic <pattern>', 'topics of this name or pattern, `*` standing for any text'))
    .addOption(new Option('-l, --lane <lane>', 'only this lane'))
    .addOption(
      new Option('--older-than <duration>', 'segments whose newest message is older').argParser(durationOf('--older-than')),
    )
    .addOption(new Option('--max-bytes <size>', 'the oldest segments, while a topic has more').argParser(sizeOf('--max-bytes')))
    .addOption(
      new Option('--before-position <position>', 'segments that lie wholly before it').argParser(
        wholeNumber('--before-position', 0),
      ),
    )
    .addOption(new Option('--reason <text>', 'what the records say beside the rule'))
    .addOption(
      new Option('--keep-removed <duration>', 'how long segments stay for readers at work').argParser(
        durationOf('--keep-removed'),
      ),
    )
    .addOption(new Option('--now', 'delete at once: readers at work may fail').conflicts('keepRemoved'))
    .addOption(new Option('--dry-run', 'count what is due'))
    .action((words: ExpireWords) => expire(cli, words))
}

/** The rules of the options, or of the configuration where there are none. */
function rulesOf(config: Config, words: ExpireWords): (topic: string) => RetentionRules | undefined {
  const { topic: pattern = '*', olderThan, maxBytes, beforePosition } = words
  const given = { olderThanMs: olderThan, maxBytes, beforePosition }
  const isWanted = (topic: string) => fitsPattern(topic, pattern)
  if (!isEmptyRule(given)) {
    if (words.topic === undefined)
      throw new MillpondError('USAGE', "--older-than, --max-bytes and --before-position need --topic; --topic '*' is all of them")
    return (topic) => (isWanted(topic) ? given : undefined)
  }
  const { topics } = config.archive.expire
  if (topics.length === 0)
    throw new MillpondError(
      'USAGE',
      'nothing says what is to go: give --topic with --older-than, --max-bytes or --before-position, or write archive.expire.topics',
    )
  return (topic) => (isWanted(topic) ? retentionOf(topics, topic) : undefined)
}

async function expire(cli: Cli, words: ExpireWords): Promise<void> {
  const config = await cli.loadConfig()
  const { lane, reason, dryRun = false } = words
  const keepRemovedMs = words.now ? 0 : (words.keepRemoved ?? config.archive.expire.keepRemovedMs)
  const rules = rulesOf(config, words)
  await using store = await openStore(config, dryRun ? 'read' : 'write')
  // Of a store elsewhere the clock may be ahead of ours.
  const options = { rulesOf: rules, lane, reason, dryRun, by: askedBy(), isHeld: holdsOf(config), keepRemovedMs }
  const run = (deleteAtOnce: boolean) =>
    expireArchive(store, { ...options, ...(deleteAtOnce ? { keepRemovedMs: -FAR_MS } : {}) }, { signal: cli.signal })
  const report = await run(words.now === true)
  if (!dryRun && report.lanes.some(({ records }) => records > 0)) await followIndex(cli, config)
  await print(cli, report, { dryRun, keepRemovedMs })
  const isNamed = words.topic !== undefined && !words.topic.includes('*')
  if (isNamed && report.held.length > 0)
    throw new MillpondError('TOPIC_HELD', `nothing of ${words.topic} was removed: it is under legal hold`, {
      details: { topic: words.topic },
    })
}

/** Past whatever two clocks differ by. */
const FAR_MS = 10 * 365 * 86_400_000

async function print(
  cli: Cli,
  { lanes, held }: ExpireReport,
  { dryRun, keepRemovedMs }: { readonly dryRun: boolean; readonly keepRemovedMs: number },
): Promise<void> {
  const sum = (count: (lane: LaneExpiry) => number) => lanes.reduce((total, lane) => total + count(lane), 0)
  const totals = {
    messages: sum(({ messages }) => messages),
    segments: { objects: sum(({ segments }) => segments.objects), bytes: sum(({ segments }) => segments.bytes) },
    records: sum(({ records }) => records),
    deleted: { objects: sum(({ deleted }) => deleted.objects), bytes: sum(({ deleted }) => deleted.bytes) },
    imported: sum(({ imported }) => imported),
  }
  if (cli.json) return cli.printJson({ dryRun, ...totals, held, lanes })
  const rows = lanes
    .filter(({ messages }) => messages > 0)
    .map(({ lane, messages, segments, firstPosition, nextPosition, minTimestamp, maxTimestamp }) => [
      laneName(lane),
      `${firstPosition}..${nextPosition! - 1}`,
      formatCount(messages),
      `${formatCount(segments.objects)} (${formatBytes(segments.bytes)})`,
      formatTime(minTimestamp!),
      formatTime(maxTimestamp!),
    ])
  if (rows.length > 0) await cli.print(formatTable([['lane', 'positions', 'messages', 'segments', 'from', 'to'], ...rows]))
  const what = `${formatMessages(totals.messages)} in ${formatCount(totals.segments.objects)} segments (${formatBytes(totals.segments.bytes)})`
  if (totals.messages === 0) await cli.print('nothing is due')
  else await cli.print(dryRun ? `${what} would expire` : `${what} expired`)
  if (!dryRun && totals.deleted.objects > 0)
    await cli.print(`${formatCount(totals.deleted.objects)} objects deleted (${formatBytes(totals.deleted.bytes)})`)
  for (const topic of held) cli.note(`${topic} is under legal hold: nothing of it is removed`)
  if (totals.imported > 0)
    cli.note(`${formatCount(totals.imported)} of the segments are objects of other programs: they stay where they are`)
  const waiting = totals.records > 0 && totals.deleted.objects < totals.segments.objects - totals.imported
  if (waiting)
    cli.note(`objects go ${Math.round(keepRemovedMs / 1000)} s after their record, by the next expire, serve or verify --collect`)
}
