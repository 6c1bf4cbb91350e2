import type { Conditions } from '../query/conditions.ts'
import { estimateRead } from '../query/read.ts'
import type { QueryTopic } from '../query/topics.ts'
import { pathColumn } from '../query/value-columns.ts'
import type { Archive } from '../search/read.ts'
import type { Cli } from './command.ts'
import { formatBytes, formatCount, formatTime } from './format.ts'

/** What a query was found to read, and DuckDB's plan. */
interface Explained {
  readonly scans: readonly { readonly topic: string; readonly conditions: Conditions }[]
  readonly plan: string
}

/** Prints what a query would read of each topic, and by which conditions. */
export async function explainReads(
  cli: Cli,
  archive: Archive,
  topics: readonly QueryTopic[],
  { scans, plan }: Explained,
): Promise<void> {
  const reads = []
  for (const { topic: name, conditions } of scans) {
    const topic = topics.find((each) => each.name === name)!
    const estimate = await estimateRead(archive, topic, conditions, cli.signal)
    reads.push({ topic: name, conditions: shownConditions(topic, conditions), ...estimate })
  }
  if (cli.json) return cli.printJson({ reads, plan: JSON.parse(plan) as unknown })
  for (const { topic, conditions, blocks, blocksTotal, bytes, bytesTotal } of reads) {
    const wanted = Object.entries(conditions).map(([name, text]) => `${name} ${text}`)
    await cli.print(
      `${topic}: ${formatCount(blocks)} of ${formatCount(blocksTotal)} blocks, ${formatBytes(bytes)} of ${formatBytes(bytesTotal)}`,
    )
    await cli.print(`  by ${wanted.length === 0 ? 'no condition' : wanted.join(', ')}`)
  }
  if (reads.length === 0) await cli.print('no topic is read')
}

/** Conditions as text; a key that is no text in base64. */
function shownConditions(
  { values }: QueryTopic,
  { lanes, positions, timestamps, key, id, paths = {} }: Conditions,
): Record<string, string> {
  const range = ({ from, to }: { from?: number; to?: number }, show: (value: number) => string) =>
    `${from === undefined ? '' : show(from)}..${to === undefined ? '' : show(to)}`
  const named = (values?.paths ?? []).flatMap(({ name }, at) => {
    const texts = paths[pathColumn(at)]
    return texts === undefined ? [] : [[name, texts.join(' ') || 'none'] as const]
  })
  return {
    ...(lanes === undefined ? {} : { lanes: lanes.join(' ') || 'none' }),
    ...(positions === undefined ? {} : { positions: range(positions, String) }),
    ...(timestamps === undefined ? {} : { timestamps: range(timestamps, formatTime) }),
    ...(key === undefined ? {} : { key: 'by filter' }),
    ...(id === undefined ? {} : { id: 'by filter' }),
    ...Object.fromEntries(named),
  }
}
