/** What becomes of values of several schemas: whether each has an object of its own, or is written as another says. */
import type { MessageBatch } from '../batch/batch.ts'
import { compactIfSparse } from '../batch/compact.ts'
import { isMillpondError } from '../errors.ts'
import { Cursor } from './avro/cursor.ts'
import { Output } from './avro/output.ts'
import { createProjection } from './avro/project.ts'
import { parseAvroSchema } from './avro/schema.ts'
import { fault } from './fault.ts'
import type { SubjectVersion, UnreadableValue, ValueKind } from './values.ts'

/** Which schemas share an object; the words are those of Kafka Connect's `schema.compatibility`. */
export type Compatibility = 'none' | 'backward' | 'forward' | 'full'

/** `same`: into the object as it is; `project`: into it, written as its schema says; `new`: into an object of its own. */
export type Placement = 'same' | 'project' | 'new'

/**
 * Where a value goes whose kind is `incoming` while an object of the kind `current` is open, as Kafka Connect decides it: `backward` and `full` keep the
 * newest schema and write older values as it says; `forward` keeps the oldest. Kinds that cannot be compared, for want of versions of one subject or because
 * they are of another type, have objects of their own.
 */
export function placeValue(
  { compatibility, topic }: { readonly compatibility: Compatibility; readonly topic: string },
  current: ValueKind,
  incoming: ValueKind,
): Placement {
  if (incoming.id === current.id) return 'same'
  if (compatibility === 'none' || current.type !== 'avro' || incoming.type !== 'avro') return 'new'
  const currentVersion = versionFor(topic, current)
  const version = versionFor(topic, incoming)
  if (currentVersion === undefined || version?.subject !== currentVersion.subject) return 'new'
  const change = version.version - currentVersion.version
  return (compatibility === 'forward' ? change < 0 : change > 0) ? 'new' : 'project'
}

/**
 * The version of a kind's schema for a topic: that of the first of the subjects `<topic>-value`, `<topic>-<name>` and `<name>` that it is registered under,
 * which are those of Confluent's strategies. Serializers register a schema there before they use it, so that every reader of the message finds the same.
 */
export function versionFor(topic: string, { name, versions = [] }: ValueKind): SubjectVersion | undefined {
  for (const subject of [`${topic}-value`, `${topic}-${name}`, name]) {
    const own = versions.filter((one) => one.subject === subject)
    // One that was deleted and registered again has several.
    if (own.length > 0) return { subject: own[0]!.subject, version: Math.max(...own.map(({ version }) => version)) }
  }
  return undefined
}

/** Messages whose values were written anew. */
export interface ProjectedBatch {
  readonly batch: MessageBatch
  /** Rising by row: values that cannot become data of the other kind; theirs are as they were. */
  readonly unreadable: readonly UnreadableValue[]
}

/** Writes values anew; those that are null stay so. They begin where `valueStart` says, behind any prefix. */
export type ProjectValues = (batch: MessageBatch) => ProjectedBatch

/**
 * How values of one kind of Avro become values of another.
 * @throws MillpondError `SCHEMA_INVALID` where they cannot, whatever they hold.
 */
export function createValueProjection(from: ValueKind, to: ValueKind): ProjectValues {
  const project = createProjection(parseAvroSchema(from.text), parseAvroSchema(to.text))
  const cursor = new Cursor()
  return (given) => {
    const batch = compactIfSparse(given)
    const output = new Output()
    // Keys, ids and headers stay where they are.
    output.copy(batch.bytes)
    const valueStart = Int32Array.from(batch.valueStart)
    const valueEnd = Int32Array.from(batch.valueEnd)
    const unreadable: UnreadableValue[] = []
    for (let row = 0; row < batch.count; row++) {
      if (batch.valueStart[row] === -1) continue
      const { used } = output
      try {
        cursor.open(batch.bytes, batch.valueStart[row]!, batch.valueEnd[row]!)
        project(cursor, output)
        if (cursor.at !== cursor.end) throw fault('bytes lie behind it')
      } catch (error) {
        if (!isMillpondError(error, 'INPUT_INVALID')) throw error
        output.used = used
        unreadable.push({ row, reason: `it cannot become ${to.name ?? 'the other schema'}: ${error.message}` })
        continue
      }
      valueStart[row] = used
      valueEnd[row] = output.used
    }
    return { batch: { ...batch, bytes: output.bytes.subarray(0, output.used), valueStart, valueEnd }, unreadable }
  }
}
