import type { Case } from './cases.ts'
import type { Content, Objects } from './objects.ts'

/** Records of objects, by their keys: lines, what JSON says, or rows. */
export type Records = Readonly<Record<string, readonly unknown[]>>

/** The records that the connector wrote. */
export const theirRecords = ({ properties }: Case, objects: Objects): Records =>
  mapValues(objects, (content) => recordsOf(properties['format.output.type'], content))

/** Those that were written here: the last line ends as all others do. */
export const ourRecords = ({ properties }: Case, objects: Objects): Records =>
  mapValues(objects, (content) =>
    recordsOf(properties['format.output.type'], typeof content === 'string' ? content.replace(/\n$/u, '') : content),
  )

/** What must be the same of both where they differ by intent. */
export function comparable(
  differs: Case['differs'],
  ours: Records,
  theirs: Records,
): { readonly mine: Records; readonly expected: Records } {
  if (differs === 'same offsets') return { mine: offsetsIn(ours), expected: offsetsIn(theirs) }
  return { mine: ours, expected: differs === 'joined by path' ? joinedByPath(theirs) : theirs }
}

/**
 * Messages of one path have one object here; the connector begins another one whenever the path changes, where `file.max.records` is there.
 * Keys end in the offset of the first message.
 */
function joinedByPath(records: Records): Records {
  const joined = new Map<string, { readonly first: number; readonly all: unknown[] }>()
  const found = Object.entries(records).map(([key, of]) => ({ path: key.replace(/\d+$/u, ''), first: offsetOf(key), of }))
  for (const { path, first, of } of found.toSorted((a, b) => a.first - b.first)) {
    const known = joined.get(path)
    if (known === undefined) joined.set(path, { first, all: [...of] })
    else known.all.push(...of)
  }
  return Object.fromEntries([...joined].map(([path, { first, all }]) => [`${path}${first}`, all]))
}

const offsetOf = (key: string): number => Number(/\d+$/u.exec(key)?.[0])

/** Which messages each object holds, where all that messages have is written another way. */
const offsetsIn = (records: Records): Records =>
  mapValues(records, (rows) => rows.map((row) => (row as { offset?: number }).offset ?? (row as { position: number }).position))

const mapValues = <A, B>(all: Readonly<Record<string, A>>, map: (one: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(all).map(([key, one]) => [key, map(one)]))

function recordsOf(type = 'csv', content: Content): readonly unknown[] {
  if (typeof content !== 'string') return content
  if (type === 'csv') return content.split('\n')
  const json = Buffer.from(content, 'latin1').toString()
  if (type === 'json' && json.startsWith('[\n')) return JSON.parse(json) as unknown[]
  return json.split('\n').map((line) => JSON.parse(line) as unknown)
}
