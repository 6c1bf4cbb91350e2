import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { archivedTopics } from '../../commit/archived-topics.ts'
import type { Config } from '../../config/config.ts'
import { MillpondError } from '../../errors.ts'
import type { Subject } from '../../expire/find.ts'
import { type ForgetHooks, forgetSubjects, type LaneForget, type LeftObject } from '../../expire/forget.ts'
import { laneName } from '../../source/lane.ts'
import { openStore } from '../../wiring/store.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatMessages, formatTable } from '../format.ts'
import { requireTopic } from '../open.ts'
import { durationOf, several } from '../parse.ts'
import { askedBy, followIndex, holdsOf } from '../removal-text.ts'

interface ForgetWords {
  readonly topic: string
  readonly lane?: string
  readonly key?: readonly string[]
  readonly keyBase64?: readonly string[]
  readonly id?: readonly string[]
  readonly keysFrom?: string
  readonly reason: string
  readonly grace: number
  readonly now?: true
  readonly dryRun?: true
}

const GRACE_MS = 60_000
const SHOWN_LEFT = 20

/** `millpond forget`: removes one subject's messages. */
export function forgetCommand(cli: Cli): Command {
  return defineCommand('forget', {
    summary: "remove one subject's messages; the chain goes on proving all others",
    description: `Writes each segment that holds messages of the subject anew without them, reads it back, compares all other messages byte for byte, and puts a record
beside the chain that says how many went, who asked and why, and knows the subject by a salted hash only. Then the old segments are deleted, with copies that
compactions and crashes left. It may be stopped at any time and begun again. What cannot be written anew is named, and the exit code is 2 (FORGET_INCOMPLETE).
What lies outside the archive (the source, the local log, dead letters, Iceberg metadata) is not touched; docs/expire.md says what to do there.`,
    examples: [
      { run: "millpond forget -t orders --key 4711 --reason 'request 17' --dry-run", does: 'what there is of it' },
      { run: "millpond forget -t orders --key 4711 --reason 'request 17'", does: 'removes it' },
      { run: "millpond forget -t orders --keys-from subjects.txt --reason 'batch 3' --now", does: 'many at once, a key a line' },
    ],
  })
    .addOption(new Option('-t, --topic <topic>', 'of this topic').makeOptionMandatory())
    .addOption(new Option('-l, --lane <lane>', 'only of this lane'))
    .addOption(
      new Option('--key <text>', 'messages with this key; may be given several times').argParser(several((text) => text)),
    )
    .addOption(new Option('--key-base64 <base64>', 'with this key, where it is no text').argParser(several((text) => text)))
    .addOption(new Option('--id <id>', 'with this id; may be given several times').argParser(several((text) => text)))
    .addOption(new Option('--keys-from <file>', 'with a key of this file, a line each'))
    .addOption(new Option('--reason <text>', 'what the record says').makeOptionMandatory())
    .addOption(
      new Option('--grace <duration>', 'how long readers at work may go on with the old segments; it is waited for')
        .argParser(durationOf('--grace'))
        .default(GRACE_MS, '1m'),
    )
    .addOption(new Option('--now', 'delete at once: readers at work may fail').conflicts('grace'))
    .addOption(new Option('--dry-run', 'count, and change nothing'))
    .action((words: ForgetWords) => forget(cli, words))
}

async function subjectsOf(cli: Cli, { key = [], keyBase64 = [], id = [], keysFrom }: ForgetWords): Promise<Subject[]> {
  const lines = keysFrom === undefined ? [] : await linesOf(cli, keysFrom)
  const subjects: Subject[] = [
    ...[...key, ...lines].map((text) => ({ field: 'key' as const, value: Buffer.from(text) })),
    ...keyBase64.map((text) => ({ field: 'key' as const, value: base64Of(text) })),
    ...id.map((text) => ({ field: 'id' as const, value: Buffer.from(text) })),
  ]
  if (subjects.length === 0) throw new MillpondError('USAGE', 'say whose messages: --key, --key-base64, --id or --keys-from')
  return subjects
}

async function linesOf(cli: Cli, file: string): Promise<string[]> {
  try {
    const text = await readFile(resolve(cli.dir ?? '.', file), 'utf8')
    return text.split(/\r?\n/u).filter((line) => line !== '')
  } catch (error) {
    throw new MillpondError('USAGE', `--keys-from cannot be read: ${file}`, { cause: error })
  }
}

function base64Of(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') === text) return bytes
  throw new MillpondError('USAGE', '--key-base64 is no base64 with padding')
}

async function forget(cli: Cli, words: ForgetWords): Promise<void> {
  const config = await cli.loadConfig()
  const subjects = await subjectsOf(cli, words)
  const { topic, lane, reason, dryRun = false, now = false, grace } = words
  await using store = await openStore(config, dryRun ? 'read' : 'write')
  requireTopic(topic, await archivedTopics(store, cli.signal), 'the archive')
  const { archive } = config
  const { codec, level, lookups, blockBytes, formatOptions } = archive
  const merge = { codec, ...(level === undefined ? {} : { level }), lookups, blockBytes, formatOptions }
  let at = { segments: 0, messages: 0 }
  const lanes = await (async () => {
    using _ = cli.progress({ label: 'looking', state: () => ({ count: at.segments, bytes: 0 }) })
    const hooks: ForgetHooks = {
      signal: cli.signal,
      onProgress: (progress) => {
        at = progress
      },
      onRecorded: () => followIndex(cli, config, topic),
      onWait: (ms) => cli.note(`recorded; the old segments are deleted in ${Math.round(ms / 1000)} s (--now does not wait)`),
    }
    const asked = { topic, lane, subjects, reason, dryRun, by: askedBy(), isHeld: holdsOf(config), merge }
    return forgetSubjects(store, { ...asked, graceMs: now ? 0 : grace }, hooks)
  })()
  await print(cli, config, { topic, lanes, dryRun })
  const left = lanes.reduce((sum, one) => sum + one.left.length, 0)
  if (left > 0 && !dryRun)
    throw new MillpondError(
      'FORGET_INCOMPLETE',
      `${left} object${left === 1 ? '' : 's'} of ${topic} may hold messages of the subject still`,
      { details: { topic, objects: left } },
    )
}

async function print(
  cli: Cli,
  config: Config,
  { topic, lanes, dryRun }: { readonly topic: string; readonly lanes: readonly LaneForget[]; readonly dryRun: boolean },
): Promise<void> {
  const sum = (count: (lane: LaneForget) => number) => lanes.reduce((total, lane) => total + count(lane), 0)
  const messages = sum((lane) => lane.messages)
  const outside = outsideOf(config)
  if (cli.json) return cli.printJson({ topic, dryRun, messages, records: sum(({ records }) => records), outside, lanes })
  const rows = lanes
    .filter((lane) => lane.messages > 0)
    .map(({ lane, messages: count, before, after, deleted }) => [
      laneName(lane),
      formatCount(count),
      `${formatCount(before.objects)} (${formatBytes(before.bytes)})`,
      ...(dryRun ? [] : [`${formatCount(after.objects)} (${formatBytes(after.bytes)})`, formatCount(deleted.objects)]),
    ])
  const heads = ['lane', 'messages', 'segments', ...(dryRun ? [] : ['written anew', 'deleted'])]
  if (rows.length > 0) await cli.print(formatTable([heads, ...rows]))
  await cli.print(`${formatMessages(messages)} ${dryRun ? 'would be forgotten' : 'forgotten'}`)
  const left = lanes.flatMap((lane) => lane.left)
  for (const object of left.slice(0, SHOWN_LEFT)) await cli.print(`left: ${leftText(object)}`)
  if (left.length > SHOWN_LEFT) await cli.print(`left: ${formatCount(left.length - SHOWN_LEFT)} more; --json lists them`)
  const named = sum((lane) => lane.named.length)
  if (named > 0)
    cli.note(`${formatCount(named)} objects had the value in their very names: commits, and records, go on naming them`)
  for (const place of outside) cli.note(`not looked into: ${place}`)
}

const WHY: Readonly<Record<LeftObject['why'], string>> = {
  format: 'its format does not tell which messages are whose',
  siblings: 'keys or headers lie in objects beside it',
  imported: 'it belongs to another program: the archive does not read it any more, delete it there',
}

const leftText = ({ key, format, why }: LeftObject): string => `${key} (${format}): ${WHY[why]}`

/** Where else messages may lie that the archive has no hand in. */
const outsideOf = ({ source, deadLetters, local }: Config): string[] => [
  source.type === 'local' ? `the local log (${local.path}), until its retention removes them` : 'the topic in Kafka',
  `the dead letters (${deadLetters.path})`,
  'metadata and older snapshots of Iceberg tables, targets of replays, copies and versions that the store keeps by itself',
]
