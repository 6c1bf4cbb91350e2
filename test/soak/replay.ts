import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCluster } from '../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../src/adapters/kafka/offsets.ts'
import { readPartitionBatches } from '../../src/adapters/kafka/partition-reader.ts'
import { readRecordBatches } from '../../src/encode/record-set.ts'
import { jsonLines, runProgram } from '../live/program.ts'
import { until } from '../live/until.ts'
import { startKafka } from '../servers/kafka.ts'
import type { Checker } from './check.ts'
import { type Field, TOPIC } from './field.ts'

const COPY = 'copy'
/** A rate is given so that it takes about so long, and can be killed on its way. */
const REPLAY_SECONDS = 15
const MAX_ATTEMPTS = 40

export interface ReplayUnderFire {
  readonly kills: number
  /** Of the run that ended the job. */
  readonly delivered: number
}

interface JobLine {
  readonly id: string
  readonly state: string
  readonly counts: { readonly delivered: number }
}

/**
 * Replays the archive into a topic of another cluster by a process that is killed (kill -9) over and over and goes on, then hands what
 * readers of committed messages see there to the checker.
 */
export async function replayUnderFire(
  field: Field,
  {
    killCount,
    messages,
    random,
    checker,
  }: { readonly killCount: number; readonly messages: number; readonly random: () => number; readonly checker: Checker },
): Promise<ReplayUnderFire> {
  await using kafka = await startKafka()
  const dir = join(field.folder, 'replay')
  await mkdir(dir)
  const config = { ...field.config('straight'), source: { type: 'local' }, kafka: { brokers: [kafka.bootstrap] } }
  await writeFile(join(dir, 'millpond.yaml'), JSON.stringify(config))

  const rate = String(Math.ceil(messages / REPLAY_SECONDS))
  let words = ['replay', '--topic', TOPIC, '--to', `kafka:${COPY}`, '--no-marks', '--rate', rate]
  let kills = 0
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const kill = new AbortController()
    const timer = kills < killCount ? setTimeout(() => kill.abort(), 1_500 + random() * 4_000) : undefined
    const { exitCode, stderr } = await runProgram([...words, '--dir', dir], { kill: kill.signal }).finally(() =>
      clearTimeout(timer),
    )
    const job = await jobOf(dir)
    if (job?.state === 'done') {
      await readTopicInto(kafka.bootstrap, checker)
      return { kills, delivered: job.counts.delivered }
    }
    if (exitCode === null) kills++
    else throw new Error(`the replay ended with ${exitCode}: ${stderr}`)
    if (job !== undefined) words = ['replay', '--resume', job.id]
  }
  throw new Error(`the replay is not done after ${MAX_ATTEMPTS} attempts`)
}

async function jobOf(dir: string): Promise<JobLine | undefined> {
  const { stdout } = await runProgram(['jobs', 'list', '--json', '--dir', dir])
  return (jsonLines(stdout) as JobLine[])[0]
}

/** Reads the copy without what was aborted. */
async function readTopicInto(bootstrap: string, checker: Checker): Promise<void> {
  await using cluster = await openCluster({ brokers: [bootstrap] })
  const { partitions } = (await cluster.metadata([COPY])).topics.get(COPY)!
  const places = partitions.map(({ partition }) => ({ topic: COPY, partition }))
  let ends = new Map<string, number>()
  // A transaction that was left open ends when its time is over, or when its producer is opened anew.
  const areSettled = async () => {
    ends = await partitionOffsets(cluster, places, 'stable-end')
    const all = await partitionOffsets(cluster, places, 'end')
    return places.every((place) => ends.get(partitionName(place)) === all.get(partitionName(place)))
  }
  await until(areSettled, 'the transactions of the copy to end', 120_000)
  for (const place of places) {
    const range = { from: 0, to: ends.get(partitionName(place))! }
    for await (const { set, info, kind } of readPartitionBatches(cluster, place, range)) {
      if (kind === 'messages') checker.add(place.partition, await readRecordBatches(set, [info], 0))
    }
  }
}
