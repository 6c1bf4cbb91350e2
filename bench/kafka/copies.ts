import { join } from 'node:path'
import { type Bench, costFigures, type Figures, makeBucket, makeFolder, millpond, proveWhole } from './bench.ts'
import type { SourceTopic } from './fill.ts'

/** How a topic is archived. */
export interface ArchiveCase {
  readonly name: string
  readonly format: 'avro' | 'kafka'
  readonly threads?: number
}

/** The place of what a case makes in a round. */
export const inRound = (name: string, round: number): string => `${name}-${round}`

/** Archives the whole topic, then proves that the archive equals it. */
export async function archive(bench: Bench, topic: SourceTopic, round: number, which: ArchiveCase): Promise<Figures> {
  const name = inRound(which.name, round)
  await makeBucket(bench, name)
  const folder = await makeFolder(bench, { name, topic: topic.name, settings: { archive: { format: which.format } } })
  const threads = which.threads === undefined ? [] : ['--threads', String(which.threads)]
  const { cost, answer } = await millpond(bench, folder, ['archive', '--once', ...threads])
  const messages = Number(answer['messages'])
  await proveWhole(bench, folder, topic.messages)
  const seconds = Number(answer['milliseconds']) / 1000
  return {
    messagesPerSecond: Math.round(messages / seconds),
    ...costFigures(cost, messages),
    valueMBPerSecondWithStart: Math.round((messages * topic.valueBytes) / cost.seconds / 1e6),
    archivedMB: Math.round(Number(answer['bytes']) / 1e6),
    ...requestFigures(answer),
  }
}

/** Requests in all, by gigabyte of segments and by segment; a write is what stores charge as one, each step of an upload too. */
function requestFigures(answer: Record<string, unknown>): Figures {
  const { put = 0, begin = 0, part = 0, complete = 0, list = 0, head = 0, get = 0 } = answer['requests'] as Record<string, number>
  const [segments, gigabytes] = [Number(answer['segments']), Number(answer['bytes']) / 1e9]
  const counts = { writes: put + begin + part + complete, lists: list, heads: head, gets: get }
  const per = (unit: string, units: number) =>
    Object.fromEntries(Object.entries(counts).map(([kind, count]) => [`${kind}Per${unit}`, Number((count / units).toFixed(2))]))
  return {
    objects: segments + Number(answer['commits']),
    requests: answer['requests'],
    ...per('GB', gigabytes),
    ...per('Segment', segments),
  }
}

/** Restores what the archive of that case and round holds into another topic. */
export async function restore(bench: Bench, topic: SourceTopic, round: number, from: string): Promise<Figures> {
  const words = ['restore', '--topic', topic.name, '--as', `${topic.name}-of-${inRound(from, round)}`, '--no-groups']
  const { cost, answer } = await millpond(bench, join(bench.folder, inRound(from, round)), words)
  const { counts } = answer['job'] as { counts: { delivered: number } }
  if (counts.delivered !== topic.messages)
    throw new Error(`${counts.delivered} of ${topic.messages} messages of ${from} are restored`)
  return {
    messagesPerSecond: Math.round(counts.delivered / (Number(answer['milliseconds']) / 1000)),
    ...costFigures(cost, counts.delivered),
  }
}

/** Kafka's own consumer, which only reads: messages a second. */
export async function consumerPerformance({ kafka }: Bench, { name, messages }: SourceTopic): Promise<number> {
  const words = ['--bootstrap-server', kafka.bootstrap, '--topic', name, '--num-records', String(messages), '--timeout', '60000']
  const output = await kafka.tool('ConsumerPerformance', words, { forBenchmark: true })
  const [head = '', line = ''] = output.trim().split('\n').slice(-2)
  return Math.round(Number(line.split(', ')[head.split(', ').indexOf('nMsg.sec')]))
}
