import { join, relative, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { type MessageBatch, sliceBatch } from '../../batch/batch.ts'
import { headersAt, keyAt } from '../../batch/view.ts'
import { loadConfig } from '../../config/load.ts'
import { MillpondError } from '../../errors.ts'
import type { MessageQuery } from '../../search/query.ts'
import { type Cli, defineCommand } from '../command.ts'
import { formatBytes, formatCount, formatDuration, formatShare, formatTable } from '../format.ts'
import { createComparison } from '../quickstart/compare.ts'
import { type FlightSet, flightId, loadFlights } from '../quickstart/flights.ts'
import { makeFolder } from '../quickstart/folder.ts'
import {
  archiveAll,
  readLines,
  readTopic,
  replayAll,
  searchAll,
  sendByFile,
  sendByHttp,
  TOPIC,
  verifyAll,
} from '../quickstart/steps.ts'

const FOLDER = 'millpond-quickstart'
const REPLAY_TOPIC = 'flights-late'
const HOUR_MS = 3_600_000

/** `millpond quickstart`: the whole way of the data once, on real flights. */
export function quickstartCommand(cli: Cli): Command {
  return defineCommand('quickstart', {
    summary: 'do the whole job once, on real data, and leave a folder to try things on',
    description: `Takes real flights (the npm package vega-datasets), sends half of them in by HTTP and half by a file, archives them, verifies the
archive byte for byte, searches it three ways, replays a selection to a new topic and to a file, and compares what came out with what went in.

No server and no account are needed. It leaves a folder (--dir, default ./${FOLDER}) that the other commands work on.`,
    examples: [
      { run: 'millpond quickstart', does: '200,000 flights of one day' },
      { run: 'millpond quickstart --records 3m', does: 'three million flights of half a year' },
      { run: 'millpond quickstart --dir pond --json', does: 'in ./pond, one object with the outcome last' },
    ],
  })
    .addOption(new Option('--records <set>', 'how many').choices(['200k', '3m']).default('200k'))
    .action(async ({ records }: { readonly records: FlightSet }) => {
      const folder = resolve(cli.dir ?? FOLDER)
      await makeFolder(folder)
      await runQuickstart(cli, folder, records)
    })
}

/** One line of the closing table. */
type Row = readonly [step: string, figure: string, time: string, note: string]

async function runQuickstart(cli: Cli, folder: string, records: FlightSet): Promise<void> {
  const startMs = performance.now()
  const rows: Row[] = []
  const step = async <T>(
    name: string,
    act: () => Promise<T>,
    tell: (value: T) => readonly [figure: string, note: string],
  ): Promise<T> => {
    if (!cli.json) cli.note(`${name} …`)
    const beganMs = performance.now()
    const value = await act()
    const [figure, note] = tell(value)
    rows.push([name, figure, formatDuration(performance.now() - beganMs), note])
    return value
  }
  const { config } = await loadConfig({ dir: folder, workingFolder: folder }, {})
  const input = await step(
    'read the flights',
    () => loadFlights(records),
    ({ count, bytes }) => [formatCount(count), formatBytes(bytes.byteLength)],
  )
  const half = Math.floor(input.count / 2)
  const sentFile = join(folder, 'flights.jsonl')
  await step(
    'send half by HTTP',
    () => sendByHttp(config, sliceBatch(input, 0, half)),
    () => [formatCount(half), 'each answer durable'],
  )
  const rest = sliceBatch(input, half, input.count)
  await step(
    'send half by a file',
    () => sendByFile(config, rest, sentFile, cli.signal),
    () => [formatCount(rest.count), relative(folder, sentFile)],
  )
  const archived = await step(
    'archive',
    () => archiveAll(config, cli.signal),
    (count) => [formatCount(count), 'exactly once, in archive/'],
  )
  const report = await step(
    'verify',
    () => verifyAll(config, cli.signal),
    ({ messages, bytes, clean }) => [
      formatCount(messages),
      `${formatBytes(bytes)}, ${clean ? 'every byte as written, equal to the log' : 'NOT clean'}`,
    ],
  )

  const isAllEqual = createComparison(input, () => true)
  await step(
    'read all back',
    () => searchAll(config, {}, isAllEqual, cli.signal),
    () => [formatCount(isAllEqual.count), 'compared byte for byte'],
  )
  const searches = searchesFor(input)
  let found = 0
  let isFoundEqual = true
  for (const { name, query, isMeant } of searches) {
    const comparison = createComparison(input, isMeant)
    await step(
      `find by ${name}`,
      () => searchAll(config, query, comparison, cli.signal),
      ({ bytesRead, bytesTotal }) => [
        formatCount(comparison.count),
        `read ${formatBytes(bytesRead)}, ${formatShare(bytesRead, bytesTotal)} of the archive`,
      ],
    )
    found += comparison.count
    isFoundEqual &&= comparison.isEqual()
  }

  const late = lateOf(input)
  const toTopic = createComparison(input, late.isMeant)
  const topicTarget = { kind: 'local', topic: REPLAY_TOPIC }
  await step(
    'replay to a topic',
    () => replayAll(config, late.query, topicTarget, cli.signal),
    (count) => [formatCount(count), REPLAY_TOPIC],
  )
  await readTopic(config, REPLAY_TOPIC, toTopic, cli.signal)
  const toFile = createComparison(input, late.isMeant)
  const lateFile = join(folder, 'flights-late.jsonl')
  const fileTarget = { kind: 'file', path: lateFile }
  const replayed = await step(
    'replay to a file',
    () => replayAll(config, late.query, fileTarget, cli.signal),
    (count) => [formatCount(count), relative(folder, lateFile)],
  )
  await readLines(lateFile, toFile)

  const equal = isFoundEqual && [isAllEqual, toTopic, toFile].every((comparison) => comparison.isEqual())
  const seconds = Number(((performance.now() - startMs) / 1000).toFixed(2))
  if (cli.json) await cli.printJson({ messages: input.count, archived, verified: report.clean, found, replayed, equal, seconds })
  else await printOutcome(cli, { folder, rows, equal, seconds, input })
  if (!report.clean || !equal || archived !== input.count) {
    throw new MillpondError('VERIFY_FAILED', 'what came out is not what went in', {
      details: { messages: input.count, archived, equal },
    })
  }
}

interface Selection {
  readonly name: string
  readonly query: MessageQuery
  readonly isMeant: (row: number) => boolean
}

const textOf = (bytes: Uint8Array | null): string => new TextDecoder().decode(bytes ?? undefined)

/** Three ways to ask, each with what the input says the answer is. */
function searchesFor(input: MessageBatch): Selection[] {
  const middle = Math.floor(input.count / 2)
  const key = textOf(keyAt(input, middle))
  const from = input.timestamps[middle]!
  const to = from + HOUR_MS / 6
  return [
    { name: 'id', query: { id: flightId(middle) }, isMeant: (row) => row === middle },
    { name: 'key', query: { key: new TextEncoder().encode(key) }, isMeant: (row) => textOf(keyAt(input, row)) === key },
    {
      name: 'time',
      query: { timestamps: { from, to } },
      isMeant: (row) => input.timestamps[row]! >= from && input.timestamps[row]! < to,
    },
  ]
}

/** The flights an hour late or more that left in six hours of the day. */
function lateOf(input: MessageBatch): Selection {
  const first = input.timestamps[0]!
  const from = first - (first % (24 * HOUR_MS)) + 6 * HOUR_MS
  const to = from + 6 * HOUR_MS
  const isLate = (row: number) => textOf(headersAt(input, row)[0]!.value) === 'late'
  return {
    name: 'late',
    query: { timestamps: { from, to }, headers: [{ name: 'punctuality', equals: new TextEncoder().encode('late') }] },
    isMeant: (row) => input.timestamps[row]! >= from && input.timestamps[row]! < to && isLate(row),
  }
}

interface Outcome {
  readonly folder: string
  readonly rows: readonly Row[]
  readonly equal: boolean
  readonly seconds: number
  readonly input: MessageBatch
}

async function printOutcome(cli: Cli, { folder, rows, equal, seconds, input }: Outcome): Promise<void> {
  const near = relative(process.cwd(), folder) || '.'
  const shown = near.startsWith('..') ? folder : near
  // From a checkout the program is called through npm, which brings the Node that it needs.
  const millpond = import.meta.url.endsWith('.ts') ? 'npm run -s millpond --' : 'millpond'
  const id = flightId(Math.floor(input.count / 2))
  await cli.print(`\n${formatTable([['step', 'messages', 'time', ''], ...rows])}`)
  await cli.print(
    `\n${equal ? 'What came out equals what went in, byte for byte' : 'What came out is NOT what went in'}; ${seconds} s in all.`,
  )
  await cli.print(`
Where things lie
  ${shown}/millpond.yaml      the configuration
  ${shown}/archive/           the archive: Avro files, and the commits that prove them (_millpond/)
  ${shown}/log.sqlite         the log that took the messages
  ${shown}/flights-late.jsonl what was replayed

What to try next
  ${millpond} search --dir ${shown} --topic ${TOPIC} --id ${id}
  ${millpond} search --dir ${shown} --topic ${TOPIC} --header punctuality=late --limit 5
  ${millpond} tail --dir ${shown} ${REPLAY_TOPIC}
  ${millpond} replay --dir ${shown} --topic ${TOPIC} --header punctuality=late --to file:late.jsonl
  ${millpond} verify --dir ${shown}
  ${millpond} serve --dir ${shown}`)
}
