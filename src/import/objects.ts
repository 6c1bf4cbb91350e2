import type { Format } from '../encode/block.ts'
import type { ListedObject } from '../store/store.ts'

/** Programs whose objects can be imported. */
export const IMPORT_KINDS = ['kafka-backup', 'dataphos', 'confluent'] as const
export type ImportKind = (typeof IMPORT_KINDS)[number]

/** What the name of an object says. */
export interface NamedObject {
  readonly topic: string
  readonly lane: string
  readonly format: Format
  /** Objects of a lane follow one another by this text first. */
  readonly group: string
  /** Then by this number: the first position, for programs that name it. */
  readonly order: number
  /** Whether the lane's messages are dealt out to several objects at a time, so that positions of one lie among those of others. */
  readonly isDealt: boolean
  /** The object whose messages these are the keys or headers of; undefined for objects of messages. */
  readonly siblingOf?: { readonly key: string; readonly role: 'keys' | 'headers' }
}

/** An object of the store, and what its name says. */
export type ImportObject = NamedObject & ListedObject

/** How objects of one program are named, and where positions come from. */
export interface ImportRules {
  /**
   * What a name says; undefined for objects that are no data of the program. `topic` is what objects are to be called whose names do not tell;
   * where names tell, others are left out.
   */
  readonly parse: (key: string, topic: string | undefined) => NamedObject | undefined
  /** Whether names leave the topic out, so that it has to be given. */
  readonly needsTopic: boolean
  /** Whether positions are in the objects, in their names, or are counted on by the archive. */
  readonly positions: 'stored' | 'named' | 'counted'
}

const BACKUP = /(?:^|\/)topics\/([^/]+)\/partition=(\d{1,9})\/segment-(\d{1,20})\.bin(?:\.zst|\.lz4)?$/u
const PERSISTOR = /^(.*\/)?[^/]*-(?:\d+_)?(\d+)\.avro$/u
const CONFLUENT = /^(?:.*\/)?([^/]+)\/((?:[^/]+\/)+)\1\+(\d{1,9})\+(\d{1,16})(?:\.(keys|headers))?\.([^/]+)$/u

const confluentFormats: Readonly<Partial<Record<string, Format>>> = {
  avro: 'value-avro',
  json: 'value-json',
  'json.gz': 'value-json',
}

const rules: Readonly<Record<ImportKind, ImportRules>> = {
  'kafka-backup': {
    needsTopic: false,
    positions: 'stored',
    parse(key, wanted) {
      const [, topic, lane, start] = BACKUP.exec(key) ?? []
      if (topic === undefined || (wanted ?? topic) !== topic) return undefined
      return { topic, lane: String(Number(lane)), format: 'kafka-backup', group: '', order: Number(start), isDealt: false }
    },
  },
  dataphos: {
    needsTopic: true,
    positions: 'counted',
    parse(key, topic) {
      const match = PERSISTOR.exec(key)
      if (topic === undefined || match === null) return undefined
      const [, group = '', order] = match
      // An object holds messages of all partitions as they came: the lane is what the program wrote, one after the other.
      return { topic, lane: 'dataphos', format: 'dataphos', group, order: Number(order), isDealt: false }
    },
  },
  confluent: {
    needsTopic: false,
    positions: 'named',
    parse(key, wanted) {
      const match = CONFLUENT.exec(key)
      if (match === null) return undefined
      const [, topic = '', path, partition, start, role, extension] = match
      const format = confluentFormats[extension!]
      if (format === undefined || (wanted ?? topic) !== topic) return undefined
      const lane = String(Number(partition))
      const isDealt = path !== `partition=${lane}/`
      const named = { topic, lane, format, group: '', order: Number(start), isDealt }
      if (role !== 'keys' && role !== 'headers') return named
      return { ...named, siblingOf: { key: key.replace(`.${role}.${extension}`, `.${extension}`), role } }
    },
  },
}

/** The rules of a program. */
export const importRules = (kind: ImportKind): ImportRules => rules[kind]

/** Objects of one lane in their order. */
export interface LaneObjects {
  readonly topic: string
  readonly lane: string
  readonly objects: readonly ImportObject[]
}

/** The objects by lane, each lane's in the order in which they are to be committed. */
export function byLane(objects: Iterable<ImportObject>): LaneObjects[] {
  const lanes = Map.groupBy(objects, ({ topic, lane }) => JSON.stringify([topic, lane]))
  const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
  return [...lanes.values()]
    .map((some) => ({
      topic: some[0]!.topic,
      lane: some[0]!.lane,
      objects: some.sort((a, b) => compareText(a.group, b.group) || a.order - b.order || compareText(a.key, b.key)),
    }))
    .sort((a, b) => compareText(a.topic, b.topic) || Number(a.lane) - Number(b.lane) || 0)
}
