import { isMillpondError } from '../../errors.ts'
import type { Cluster } from './cluster.ts'
import type { KafkaTopic } from './cluster-topics.ts'

/** The topics that a subscription has, watched as they come and go. */
export interface TopicWatch {
  /** By name. */
  readonly topics: ReadonlyMap<string, KafkaTopic>
  /** Rises whenever a topic came or went, was made again, or has more partitions. */
  readonly version: number
  /** Resolves at the next change. */
  changed(): Promise<void>
  /** Looks now; what cannot be asked at the moment stays as it was. */
  refresh(): Promise<void>
  close(): void
}

const SPECIAL = /[.+?^${}()|[\]\\/]/gu
/** Names that Kafka and its tools keep for themselves: no pattern takes them. */
const OWN_PREFIX = '__'

const isPattern = (text: string): boolean => text.includes('*')

/** Whether a subscription has a topic: by name, or by a pattern in which `*` stands for any text. */
export function topicMatcher(patterns: readonly string[]): (name: string) => boolean {
  const names = new Set(patterns.filter((pattern) => !isPattern(pattern)))
  const alternatives = patterns
    .filter((pattern) => isPattern(pattern))
    .map((pattern) => pattern.replace(SPECIAL, '\\$&').replaceAll(/\*+/gu, '.*'))
  const expression = new RegExp(`^(?:${alternatives.join('|')})$`, 'su')
  return (name) => names.has(name) || (alternatives.length > 0 && !name.startsWith(OWN_PREFIX) && expression.test(name))
}

/** Looks at the topics now and then every `refreshMs`. @throws MillpondError where the first look fails. */
export async function watchTopics(cluster: Cluster, patterns: readonly string[], refreshMs: number): Promise<TopicWatch> {
  const matches = topicMatcher(patterns)
  const names = patterns.some((pattern) => isPattern(pattern)) ? undefined : patterns
  const stop = new AbortController()
  let topics: ReadonlyMap<string, KafkaTopic> = new Map()
  let missed: ReadonlySet<string> = new Set()
  let version = 0
  let print = ''
  let changed = Promise.withResolvers<void>()
  let timer: NodeJS.Timeout | undefined

  const look = async () => {
    const metadata = await cluster.metadata(names, stop.signal)
    const seen = new Map([...metadata.topics].filter(([name]) => matches(name)))
    // A broker that has just started may not know all topics yet: one is gone when it is missed twice.
    const kept = [...topics.values()].filter(({ name }) => !seen.has(name) && !missed.has(name))
    missed = new Set(kept.map(({ name }) => name))
    const found = [...seen.values(), ...kept].sort((a, b) => (a.name < b.name ? -1 : 1))
    topics = new Map(found.map((topic) => [topic.name, topic]))
    const now = JSON.stringify(found.map(({ name, topicId, partitions }) => [name, topicId, partitions.length]))
    if (now === print) return
    print = now
    version += 1
    changed.resolve()
    changed = Promise.withResolvers<void>()
  }
  const refresh = async () => {
    clearTimeout(timer)
    try {
      await look()
    } catch (error) {
      // What fails for good shows where the topics are read.
      if (!isMillpondError(error) && !stop.signal.aborted) throw error
    } finally {
      again()
    }
  }
  const again = () => {
    clearTimeout(timer)
    if (!stop.signal.aborted) timer = setTimeout(() => void refresh(), refreshMs)
    timer?.unref()
  }
  await look()
  again()
  return {
    get topics() {
      return topics
    },
    get version() {
      return version
    },
    changed: () => changed.promise,
    refresh,
    close() {
      stop.abort()
      clearTimeout(timer)
    },
  }
}
