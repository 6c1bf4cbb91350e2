import { isUtf8 } from 'node:buffer'
import type { MessageBatch } from '../../batch/batch.ts'
import { headersAt, idAt, keyAt } from '../../batch/view.ts'
import type { BlockEntry } from '../../encode/segment.ts'
import type { IndexedSegment } from '../../index/segment-index.ts'
import { goMap, goString, goTime } from './go-text.ts'
import type { Fact, Facts, Scalar } from './row-filter.ts'

/** What all rows of a block share. */
export interface BlockFacts {
  readonly brokerId: string
  readonly segment: IndexedSegment
  readonly block: BlockEntry
  /** Messages of the segment that lie before the block. */
  readonly before: number
  /** The address of the object. */
  readonly locationKey: string
  /** When the segment was committed, ms; undefined where nobody asked. */
  readonly ingestionMs: number | undefined
}

/** A message as Dataphos' index has it. */
export interface Row {
  readonly facts: BlockFacts
  /** Messages of the block; the row is one of them. */
  readonly batch: MessageBatch
  readonly at: number
}

const SOURCE_KEY = 'business_source_key'
const OBJECT_KEY = 'business_object_key'
const METADATA = 'additional_metadata'
const decoder = new TextDecoder()

/** Bytes as text; those that are none are `base64:` and their base64, so that nothing is lost as it is in Dataphos. */
function textOf(bytes: Uint8Array | null): string {
  if (bytes === null) return ''
  return isUtf8(bytes) ? decoder.decode(bytes) : `base64:${Buffer.from(bytes).toString('base64')}`
}

/** Headers as Dataphos has attributes: the last of a name counts. */
const attributesOf = ({ batch, at }: Row): Map<string, string> =>
  new Map(headersAt(batch, at).map(({ name, value }) => [name, textOf(value)]))

/** What the broker calls the message: its own id, and in Kafka the partition and the offset. */
export const messageIdOf = ({ facts, batch, at }: Row): string =>
  idAt(batch, at) ?? `${facts.segment.lane.lane}_${batch.positions[at]!}`

/** The id of the row. */
export const uniqueIdOf = (row: Row): string => `${row.facts.brokerId}_${messageIdOf(row)}`

const positionOf = ({ facts, at }: Row): number => facts.before + at + 1

/** The key, where it is text; Dataphos never stores one, and has the field. */
function orderingKeyOf({ batch, at }: Row): string | undefined {
  const key = keyAt(batch, at)
  return key === null || key.byteLength === 0 || !isUtf8(key) ? undefined : decoder.decode(key)
}

/** A business key; Dataphos leaves out an empty one. */
const businessKey = (attributes: ReadonlyMap<string, string>, name: string): string | undefined => {
  const text = attributes.get(name)
  return text === '' ? undefined : text
}

function sourceKeyOf(attributes: ReadonlyMap<string, string>): string | undefined {
  const [source, object] = [businessKey(attributes, SOURCE_KEY), businessKey(attributes, OBJECT_KEY)]
  return source === undefined || object === undefined ? undefined : `${source}_${object}`
}

function othersOf(attributes: Map<string, string>): ReadonlyMap<string, string> {
  const others = new Map(attributes)
  others.delete(SOURCE_KEY)
  others.delete(OBJECT_KEY)
  return others
}

/** What is known of the rows of a block before it is read. */
export function factsOfBlock({ brokerId, block, before, locationKey, ingestionMs }: BlockFacts): Facts {
  return (field): Fact | undefined => {
    switch (field) {
      case 'broker_id':
        return { value: brokerId }
      case 'location_key':
        return { value: locationKey }
      case 'location_position':
        return { from: before + 1, to: before + block.count }
      case 'publish_time':
        return { from: block.minTimestamp, to: block.maxTimestamp }
      case 'ingestion_time':
      case 'indexer_ingestion_time':
        return ingestionMs === undefined ? undefined : { value: ingestionMs }
      case 'confirmation_flag':
        return { value: false }
      default:
        return undefined
    }
  }
}

/** All that is known of one row. */
export function factsOfRow(row: Row): Facts {
  const ofBlock = factsOfBlock(row.facts)
  let attributes: Map<string, string> | undefined
  const headers = (): Map<string, string> => (attributes ??= attributesOf(row))
  const value = (one: Scalar | ReadonlyMap<string, string> | undefined): Fact => ({ value: one })
  return (field) => {
    switch (field) {
      case 'broker_msg_id':
        return value(messageIdOf(row))
      case 'unique_id':
        return value(uniqueIdOf(row))
      case 'location_position':
        return value(positionOf(row))
      case 'publish_time':
        return value(row.batch.timestamps[row.at])
      case 'ordering_key':
        return value(orderingKeyOf(row))
      case SOURCE_KEY:
      case OBJECT_KEY:
        return value(businessKey(headers(), field))
      case 'index_source_key':
        return value(sourceKeyOf(headers()))
      case METADATA:
        return value(othersOf(headers()))
      default:
        if (field.startsWith(`${METADATA}.`)) return value(othersOf(headers()).get(field.slice(METADATA.length + 1)))
        return ofBlock(field) ?? value(undefined)
    }
  }
}

/** The row as Dataphos answers it; `whole` with the fields that only a look-up of one row shows. */
export function rowJson(row: Row, whole: boolean): string {
  const { facts, batch, at } = row
  const attributes = attributesOf(row)
  const others = othersOf(attributes)
  const ingested = whole && facts.ingestionMs !== undefined ? goTime(facts.ingestionMs) : undefined
  const fields: (readonly [string, string | undefined])[] = [
    ['broker_id', quoted(facts.brokerId)],
    ['broker_msg_id', quoted(messageIdOf(row))],
    [SOURCE_KEY, quoted(businessKey(attributes, SOURCE_KEY))],
    [OBJECT_KEY, quoted(businessKey(attributes, OBJECT_KEY))],
    ['unique_id', quoted(uniqueIdOf(row))],
    ['index_source_key', whole ? quoted(sourceKeyOf(attributes)) : undefined],
    ['ordering_key', quoted(orderingKeyOf(row))],
    ['location_key', quoted(facts.locationKey)],
    ['location_position', String(positionOf(row))],
    ['publish_time', quoted(goTime(batch.timestamps[at]!))],
    ['ingestion_time', quoted(ingested)],
    ['indexer_ingestion_time', quoted(ingested)],
    [METADATA, others.size === 0 ? undefined : goMap(others)],
  ]
  return `{${fields.flatMap(([name, text]) => (text === undefined ? [] : [`"${name}":${text}`])).join(',')}}`
}

const quoted = (text: string | undefined): string | undefined => (text === undefined || text === '' ? undefined : goString(text))
