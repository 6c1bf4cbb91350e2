import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { openCluster } from '../../src/adapters/kafka/cluster.ts'
import { partitionName, partitionOffsets } from '../../src/adapters/kafka/offsets.ts'
import { readPartitionBatches } from '../../src/adapters/kafka/partition-reader.ts'
import { readRecordBatches } from '../../src/encode/record-set.ts'
import { jsonLines, runProgram } from '../live/program.ts'
import { until } from '../live/until.ts'
import { startKafka } from '../servers/kafka.ts'
import type { Checker } from './check.ts'
import { cut, slow } from './faults.ts'
import { type Field, TOPIC } from './field.ts'

/** It is held back so that it takes about so long, and can be killed on its way. */
const LEAST_SECONDS = 15
const MESSAGE_KB = 0.2
const MAX_ATTEMPTS = 60

export interface ReplayUnderFire {
  readonly kills: number
  /** How often it gave up by itself, because the cluster was away, and was told to go on. */
  readonly failures: number
}

export interface ReplayUnderFireOptions {
  readonly way: 'replay' | 'restore'
  readonly killCount: number
  /** In the archive. */
  readonly messages: number
  readonly random: () => number
  readonly checker: Checker
}

interface JobLine {
  readonly id: string
  readonly state: string
}

/**
 * Brings the archive into a topic of another cluster, by `millpond replay` or `millpond restore`, by a process that is killed (kill -9) over and over and goes on, while the cluster
 * and the network to it fail; then hands what readers of committed messages see there to the checker.
 */
export async function replayUnderFire(
  field: Field,
  { way, killCount, messages, random, checker }: ReplayUnderFireOptions,
): Promise<ReplayUnderFire> {
  await using kafka = await startKafka({ through: field.toxiproxy })
  const dir = join(field.folder, way)
  await mkdir(dir)
  const straight = field.config('straight')
  const config = { ...straight, source: { type: 'local' }, kafka: { brokers: [kafka.proxied()], requestTimeout: '5s' } }
  await writeFile(join(dir, 'millpond.yaml'), JSON.stringify(config))

  const lasting = () => after(1_000 + random() * 3_000)
  const [node] = kafka.nodes
  const troubles = [
    () => cut(node!.proxy!, 'answers', lasting),
    () => kafka.restart(),
    () => cut(node!.proxy!, 'told', lasting),
    async () => {
      await kafka.kill()
      await kafka.start()
    },
    () => slow(node!.proxy!, lasting),
  ]
  const begin =
    way === 'replay'
      ? ['replay', '--topic', TOPIC, '--to', `kafka:${way}`, '--no-marks', '--rate', String(Math.ceil(messages / LEAST_SECONDS))]
      : ['restore', '--topic', TOPIC, '--as', way]
  const goOn = (id: string) => (way === 'replay' ? ['replay', '--resume', id] : [...begin, '--resume', id])
  // A restore takes no rate; the network does.
  if (way === 'restore')
    await node!.proxy!.add('bandwidth', { rate: Math.ceil((messages * MESSAGE_KB) / LEAST_SECONDS) }, { stream: 'upstream' })
  let words = begin
  const counts = { kills: 0, failures: 0 }
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const kill = new AbortController()
    const timer = counts.kills < killCount ? setTimeout(() => kill.abort(), 2_000 + random() * 4_000) : undefined
    const ended = runProgram([...words, '--dir', dir], { kill: kill.signal }).finally(() => clearTimeout(timer))
    await after(1_000 + random() * 1_500)
    const [{ exitCode }] = await Promise.all([ended, troubles[attempt]?.()])
    const job = await jobOf(dir)
    if (job?.state === 'done') {
      await readTopicInto(kafka.bootstrap, way, checker)
      return counts
    }
    if (exitCode === null) counts.kills++
    else counts.failures++
    if (job !== undefined) words = goOn(job.id)
  }
  throw new Error(`the replay is not done after ${MAX_ATTEMPTS} attempts`)
}

async function jobOf(dir: string): Promise<JobLine | undefined> {
  const { stdout } = await runProgram(['jobs', 'list', '--json', '--dir', dir])
  return (jsonLines(stdout) as JobLine[])[0]
}

/** Reads the copy without what was aborted. */
async function readTopicInto(bootstrap: string, topic: string, checker: Checker): Promise<void> {
  await using cluster = await openCluster({ brokers: [bootstrap] })
  const { partitions } = (await cluster.metadata([topic])).topics.get(topic)!
  const places = partitions.map(({ partition }) => ({ topic, partition }))
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
