import type { ValueKind } from '../values/values.ts'
import { jsonSchemaShape } from './json-schema-shape.ts'
import { avroWriter } from './parquet-avro.ts'
import { jsonWriter, learningWriter } from './parquet-json.ts'
import { protobufWriter } from './parquet-protobuf.ts'
import type { ValueWriter } from './parquet-value-writer.ts'
import type { ColumnTarget } from './parquet-writers.ts'

/** What writes values of the kind to the columns of `target`. @throws MillpondError `FORMAT_UNSUPPORTED` where its schema cannot be read. */
export function valueWriter(kind: ValueKind | undefined, target: ColumnTarget): ValueWriter {
  if (kind === undefined || kind.type === 'none') return learningWriter(target)
  if (kind.type === 'avro') return avroWriter(kind.text, target)
  return kind.type === 'protobuf' ? protobufWriter(kind, target) : jsonWriter(jsonSchemaShape(kind.text), target)
}
