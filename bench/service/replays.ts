import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Bench, type Figures, makeBucket, makeFolder, millpond } from '../kafka/bench.ts'
import { PARTITIONS, type SourceTopic } from '../kafka/fill.ts'

/** Archives the topic into MinIO; gives the folder. */
export async function archiveTopic(bench: Bench, topic: SourceTopic): Promise<string> {
  await topic.fill(bench.kafka)
  await makeBucket(bench, 'replays')
  const folder = await makeFolder(bench, { name: 'replays', topic: topic.name })
  const { answer } = await millpond(bench, folder, ['archive', '--once'])
  if (Number(answer['messages']) !== topic.messages)
    throw new Error(`${String(answer['messages'])} of ${topic.messages} messages are archived`)
  return folder
}

const makeTopic = ({ kafka }: Bench, name: string) =>
  kafka.createTopic(name, { partitions: PARTITIONS, config: { 'retention.ms': '-1' } })

/** One replay of all messages into a topic of Kafka, as a recorded job, in the order of each lane; with marks each message gets four headers more. */
export async function replayOnce(
  bench: Bench,
  folder: string,
  topic: SourceTopic,
  { round, marks }: { readonly round: number; readonly marks: boolean },
): Promise<Figures> {
  const to = `again-${marks ? 'marked' : 'plain'}-${round}`
  await makeTopic(bench, to)
  const { cost, answer } = await millpond(bench, folder, [
    'replay',
    '--topic',
    topic.name,
    '--to',
    `kafka:${to}`,
    ...(marks ? [] : ['--no-marks']),
  ])
  const { delivered } = answer['counts'] as { readonly delivered: number }
  if (delivered !== topic.messages) throw new Error(`${delivered} of ${topic.messages} messages were replayed`)
  return {
    messagesPerSecond: Math.round(delivered / (Number(answer['milliseconds']) / 1000)),
    messagesPerSecondWithStart: Math.round(delivered / cost.seconds),
    cpuMicrosPerMessage: Number(((cost.cpuSeconds / delivered) * 1e6).toFixed(3)),
    peakMemoryMB: cost.peakMemoryMB,
  }
}

interface JobTimes {
  readonly state: string
  readonly startedMs: number
  readonly endedMs: number
  readonly counts: { readonly delivered: number }
}

/** What a job does to each message whose messages go through a function. */
const FUNCTION = `export default (message) => {
  const value = message.json()
  return { value: { ...value, replayedFrom: message.position } }
}
`

/** The same by worker processes that share the job, from the first delivery to the end of the job; `changes` messages by a function. */
export async function replayByWorkers(
  bench: Bench,
  folder: string,
  topic: SourceTopic,
  { workers, changes = false }: { readonly workers: number; readonly changes?: boolean },
): Promise<Figures> {
  const to = `by-${workers}-${Date.now()}`
  await makeTopic(bench, to)
  const path = join(folder, 'change.mjs')
  if (changes) await writeFile(path, FUNCTION)
  const order = ['replay', '--topic', topic.name, '--to', `kafka:${to}`, '--detach', ...(changes ? ['--function', path] : [])]
  const { answer } = await millpond(bench, folder, order)
  const id = String(answer['id'])
  const [command = '', ...words] = bench.program
  const work = async () => {
    const child = spawn(command, [...words, 'jobs', 'work', '--once', '--dir', folder, '--json'], {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`a worker ended with ${code}`)
  }
  await Promise.all(Array.from({ length: workers }, work))
  const { answer: shown } = await millpond(bench, folder, ['jobs', 'show', id])
  const job = shown as unknown as JobTimes
  if (job.state !== 'done' || job.counts.delivered !== topic.messages)
    throw new Error(`job ${id} is ${job.state}: ${JSON.stringify(job.counts)}`)
  return { workers, messagesPerSecond: Math.round(job.counts.delivered / ((job.endedMs - job.startedMs) / 1000)) }
}
