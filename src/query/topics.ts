import { MillpondError } from '../errors.ts'
import type { IndexedLane, SegmentIndex } from '../index/segment-index.ts'
import type { KnownTopic } from './conditions.ts'
import { pathColumn, type ValueTopic, viewNames } from './value-columns.ts'

/** A topic that can be asked. */
export interface QueryTopic {
  readonly name: string
  readonly lanes: readonly string[]
  readonly messages: number
  /** For a topic whose objects hold values alone: what they look like. */
  readonly values?: ValueTopic
}

/** Where a statement names no topic at all, as `SHOW TABLES` does, it gets to know so many. */
const MAX_LISTED = 1000

/**
 * The topics that a statement names, and the names that are none. SQL does not tell large letters from small ones in names: a name that is
 * spelt as a topic is that topic, another may be one that differs in nothing else.
 * @throws MillpondError `QUERY_FAILED` where two topics are meant that differ in nothing else.
 */
export async function queryTopics(
  index: SegmentIndex,
  tables: readonly string[],
): Promise<{ readonly topics: readonly QueryTopic[]; readonly missing: readonly string[] }> {
  const all = Map.groupBy(await index.lanes(), ({ topic }) => topic)
  const found = new Map<string, QueryTopic>()
  const missing: string[] = []
  for (const table of tables) {
    const name = all.has(table) ? table : [...all.keys()].find((topic) => folded(topic) === folded(table))
    if (name === undefined) {
      missing.push(table)
      continue
    }
    const other = found.get(folded(name))
    if (other !== undefined && other.name !== name) {
      throw new MillpondError(
        'QUERY_FAILED',
        `one query cannot name ${name} and ${other.name}: names in SQL do not differ by case`,
      )
    }
    found.set(folded(name), topicOf(name, all.get(name)!))
  }
  if (tables.length > 0) return { topics: [...found.values()], missing }
  for (const [name, lanes] of all) if (found.size < MAX_LISTED) found.set(folded(name), topicOf(name, lanes))
  return { topics: [...found.values()], missing }
}

const folded = (name: string): string => name.toLowerCase()

const topicOf = (name: string, lanes: readonly IndexedLane[]): QueryTopic => ({
  name,
  lanes: [...new Set(lanes.map(({ lane }) => lane))],
  messages: lanes.reduce((sum, { messages }) => sum + messages, 0),
})

/**
 * What conditions over the topic's scan are made with. `isOwn` says of a name that nothing else is called so in the statement: only then a plan
 * that casts it means the column of the view.
 */
export function knownTopic({ lanes, values }: QueryTopic, isOwn: (name: string) => boolean): KnownTopic {
  const views = values === undefined ? messageNames : viewNames(values)
  const casts = Object.fromEntries(Object.entries(views).filter(([name]) => isOwn(name)))
  const paths = values && Object.fromEntries(values.paths.map(({ texts }, at) => [pathColumn(at), texts]))
  return { lanes, casts, ...(paths && { paths }) }
}

const messageNames: Readonly<Record<string, string>> = { lane: 'lane', timestamp: 'timestamp' }
