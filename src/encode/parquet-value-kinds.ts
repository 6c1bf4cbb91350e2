import { isMillpondError, MillpondError } from '../errors.ts'
import { schemaOf } from '../values/value-schema.ts'
import type { ValueKind } from '../values/values.ts'
import { avroWriter } from './parquet-avro.ts'
import { jsonWriter, learningWriter } from './parquet-json.ts'
import type { ColumnTarget } from './parquet-plan.ts'
import { protobufWriter } from './parquet-protobuf.ts'
import type { ValueWriter } from './parquet-value-writer.ts'

/** What writes values of the kind to the columns of `target`. @throws MillpondError `FORMAT_UNSUPPORTED` where its schema cannot be read. */
export function valueWriter(kind: ValueKind | undefined, target: ColumnTarget): ValueWriter {
  if (kind === undefined || kind.type === 'none') return learningWriter(target)
  try {
    return writerOf(kind, target)
  } catch (cause) {
    if (!isMillpondError(cause, 'SCHEMA_INVALID')) throw cause
    throw new MillpondError('FORMAT_UNSUPPORTED', cause.message, { cause })
  }
}

function writerOf(kind: ValueKind, target: ColumnTarget): ValueWriter {
  const schema = schemaOf(kind)
  if (schema.type === 'avro') return avroWriter(schema.root, target)
  if (schema.type === 'protobuf') return protobufWriter(schema.message, target)
  return schema.type === 'json-schema' ? jsonWriter(schema.shape, target) : learningWriter(target)
}
