import type { MessageBatch } from '../batch/batch.ts'
import { compact } from '../batch/compact.ts'
import { isMillpondError } from '../errors.ts'
import { idAt, PREFIX_BYTES, readMessageIndexes } from '../values/wire-format.ts'
import type { RestoredId } from './restore-schemas.ts'

/**
 * The batch with the ids in front of keys and values as they are in another registry. What only looks as if it had an id stays as it is: bytes of a key
 * that is a number, say. Without a change it is the very batch.
 */
export function rewriteSchemaIds(batch: MessageBatch, ids: ReadonlyMap<number, RestoredId>): MessageBatch {
  const keys = rowsToChange(batch, batch.keyStart, batch.keyEnd, ids)
  const values = rowsToChange(batch, batch.valueStart, batch.valueEnd, ids)
  if (keys.length === 0 && values.length === 0) return batch
  // Messages may share bytes: each gets its own.
  const changed = compact(batch)
  const view = new DataView(changed.bytes.buffer, changed.bytes.byteOffset)
  const write = (rows: readonly number[], starts: Int32Array): void => {
    for (const row of rows) {
      const at = starts[row]! + 1
      view.setUint32(at, ids.get(view.getUint32(at))!.id)
    }
  }
  write(keys, changed.keyStart)
  write(values, changed.valueStart)
  return changed
}

function rowsToChange(
  { bytes, count }: MessageBatch,
  starts: Int32Array,
  ends: Int32Array,
  ids: ReadonlyMap<number, RestoredId>,
): number[] {
  const rows: number[] = []
  for (let row = 0; row < count; row++) {
    const id = idAt(bytes, starts[row]!, ends[row]!)
    if (id === undefined) continue
    const restored = ids.get(id)
    if (restored === undefined || restored.id === id) continue
    if (isDatum(restored, bytes, starts[row]! + PREFIX_BYTES, ends[row]!)) rows.push(row)
  }
  return rows
}

function isDatum({ schema }: RestoredId, bytes: Uint8Array, start: number, end: number): boolean {
  try {
    if (schema.type !== 'protobuf') {
      schema.kind.check(bytes, start, end)
      return true
    }
    const indexes = readMessageIndexes(bytes, start, end)
    const kind = indexes && schema.message(indexes.path)
    if (indexes === undefined || kind === undefined) return false
    kind.check(bytes, indexes.end, end)
    return true
  } catch (error) {
    if (!isMillpondError(error, 'INPUT_INVALID')) throw error
    return false
  }
}
