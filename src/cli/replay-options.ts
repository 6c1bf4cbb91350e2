import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Config } from '../config/config.ts'
import { MillpondError } from '../errors.ts'
import type { ReplayOptions, ReplayTarget } from '../replay/job.ts'
import type { ReplayOrder } from '../replay/plan.ts'
import { isNoRemap } from '../replay/remap.ts'
import { MAX_SPLIT } from '../replay/split.ts'
import { describeFunction } from '../wiring/functions.ts'
import { several, wholeNumber } from './parse.ts'
import { addSelection, queryOf, type SelectionOptions } from './selection.ts'

/** The options by which commands say what is replayed, where to and how. */
export interface GivenReplay extends SelectionOptions {
  readonly to?: ReplayTarget
  readonly order: NonNullable<ReplayOptions['order']>
  readonly split?: number
  readonly note?: string
  readonly rate?: number
  readonly dryRun?: true
  readonly marks: boolean
  readonly allowLoop?: true
  readonly format: 'json' | 'raw'
  readonly partition?: ReplayTarget['partition']
  readonly httpHeader?: readonly (readonly [name: string, value: string])[]
  readonly keys: ReplayOptions['keys']
  readonly headers: ReplayOptions['headers']
  readonly timestamps: ReplayOptions['timestamps']
  readonly setHeader?: readonly (readonly [name: string, value: string])[]
  readonly renameHeader?: readonly (readonly [name: string, value: string])[]
  readonly dropHeader?: readonly string[]
  readonly function?: string
}

/** Adds the options. */
export function addReplayOptions(command: Command): Command {
  return addSelection(command)
    .addOption(new Option('--to <target>', 'topic:NAME, file:PATH, - or a URL').argParser(targetOf))
    .addOption(
      new Option('--order <of>', 'what keeps its order: each lane, each key, or nothing')
        .choices(['lane', 'key', 'none'])
        .default('lane'),
    )
    .addOption(
      new Option('--split <count>', 'parts of a lane, where --order lets it be split').argParser(
        wholeNumber('--split', 1, MAX_SPLIT),
      ),
    )
    .addOption(new Option('--note <text>', 'why, kept with the job'))
    .addOption(new Option('--rate <count>', 'messages a second over all lanes').argParser(wholeNumber('--rate', 1)))
    .addOption(new Option('--dry-run', 'read and count, send nothing'))
    .addOption(
      new Option('-f, --format <format>', 'JSON lines or values, to files and HTTP').choices(['json', 'raw']).default('json'),
    )
    .addOption(
      new Option(
        '--partition <which>',
        "in Kafka: lane (that of its origin), key (by the key's hash, as Kafka's own clients do), a number, or LANE=NUMBER,… for each lane",
      ).argParser(partitionOf),
    )
    .addOption(
      new Option('--http-header <name: value>', 'for each request; may be given several times').argParser(several(httpHeaderOf)),
    )
    .addOption(new Option('--keys <how>', 'of the messages').choices(['keep', 'drop']).default('keep'))
    .addOption(new Option('--headers <how>', 'of the messages').choices(['keep', 'drop']).default('keep'))
    .addOption(
      new Option('--set-header <name=value>', 'on every message, in place of one of that name').argParser(
        several(pairOf('--set-header')),
      ),
    )
    .addOption(new Option('--rename-header <old=new>', 'where a message has it').argParser(several(pairOf('--rename-header'))))
    .addOption(new Option('--drop-header <name>', 'leave this header out').argParser(several((name) => name)))
    .addOption(
      new Option(
        '--function <file>',
        'a module (JavaScript or TypeScript) whose default export changes each message, or leaves it out',
      ),
    )
    .addOption(new Option('--timestamps <which>', 'of the messages').choices(['original', 'now']).default('original'))
    .addOption(new Option('--no-marks', 'no headers that mark the replay'))
    .addOption(new Option('--allow-loop', 'also into a topic that the archive stores'))
}

/** Reads where a replay goes. */
export function targetOf(text: string): ReplayTarget {
  if (text === '-') return { kind: 'file', path: '-' }
  if (text === 'count') return { kind: 'count' }
  if (/^https?:\/\//u.test(text)) return { kind: 'http', url: text }
  const [, kind, name] = /^(topic|local|kafka|file):(.+)$/su.exec(text) ?? []
  if (kind === 'topic' || kind === 'local' || kind === 'kafka') return { kind, topic: name! }
  // Absolute, so that the job can go on from another folder.
  if (kind === 'file') return { kind: 'file', path: resolve(name!) }
  throw new MillpondError(
    'USAGE',
    `--to must be topic:NAME, local:NAME, kafka:NAME, file:PATH, - or an http or https URL, not ${JSON.stringify(text.slice(0, 80))}`,
  )
}

/** Reads which partition messages go to. */
function partitionOf(text: string): NonNullable<ReplayTarget['partition']> {
  if (text === 'lane' || text === 'key') return text
  if (/^\d{1,9}$/u.test(text)) return Number(text)
  if (/^[^=,]+=\d{1,9}(?:,[^=,]+=\d{1,9})*$/u.test(text)) {
    const pairs = text.split(',').map((pair) => pair.split('=') as [string, string])
    return { lanes: Object.fromEntries(pairs.map(([lane, partition]) => [lane, Number(partition)])) }
  }
  throw new MillpondError(
    'USAGE',
    `--partition must be lane, key, a number, or LANE=NUMBER,…, not ${JSON.stringify(text.slice(0, 80))}`,
  )
}

function httpHeaderOf(text: string): readonly [string, string] {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/su.exec(text) ?? []
  if (name === undefined) throw new MillpondError('USAGE', '--http-header must be like "authorization: Bearer …"')
  return [name.toLowerCase(), value!]
}

/** What is to be replayed, and how. @throws MillpondError `USAGE` without a target; `FUNCTION_INVALID`. */
export async function replayOf(
  options: GivenReplay,
  config: Config,
): Promise<Pick<ReplayOrder, 'query' | 'target'> & { readonly options: Partial<ReplayOptions> }> {
  const { to, rate, marks, format, partition, httpHeader, keys, headers, timestamps } = options
  if (to === undefined) throw new MillpondError('USAGE', 'say where to with --to')
  const kind = to.kind === 'topic' ? config.source.type : to.kind
  const target: ReplayTarget = {
    ...to,
    kind,
    ...(kind === 'file' || kind === 'http' ? { format } : {}),
    ...(partition === undefined ? {} : { partition }),
    ...(httpHeader === undefined ? {} : { headers: Object.fromEntries(httpHeader) }),
  }
  const wanted: Partial<ReplayOptions> = {
    ...(rate === undefined ? {} : { rateMessagesPerSecond: rate }),
    ...(marks ? {} : { marks }),
    dryRun: options.dryRun === true,
    allowLoop: options.allowLoop === true,
    keys,
    headers,
    timestamps,
    ...(options.order === 'lane' ? {} : { order: options.order }),
    ...(options.split === undefined ? {} : { split: options.split }),
    ...headerRemapOf(options),
    ...(options.function === undefined ? {} : { function: await describeFunction(options.function) }),
  }
  return { query: queryOf(options), target, options: wanted }
}

/** Reads `name=value`. */
const pairOf =
  (option: string) =>
  (text: string): readonly [string, string] => {
    const at = text.indexOf('=')
    if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
    throw new MillpondError('USAGE', `${option} must be like name=value, not ${JSON.stringify(text.slice(0, 80))}`)
  }

function headerRemapOf({ setHeader = [], renameHeader = [], dropHeader = [] }: GivenReplay): Partial<ReplayOptions> {
  const headerRemap = { drop: dropHeader, rename: Object.fromEntries(renameHeader), set: Object.fromEntries(setHeader) }
  return isNoRemap(headerRemap) ? {} : { headerRemap }
}
