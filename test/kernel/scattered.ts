import type { MessageBatch } from '../../src/batch/batch.ts'
import { batchOf, type MessageInput } from '../../src/batch/builder.ts'

/** Bytes that count how many of them are asked for: what the kernel is given is what is copied. */
export class CountedBytes extends Uint8Array {
  copied = 0

  override subarray(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    this.copied += end - start
    return new Uint8Array(this.buffer, this.byteOffset + start, end - start)
  }
}

/** The batch of these messages with its spans moved to other places: `place` gives the offset of each, which has room for `length` bytes. */
export function scattered(
  messages: readonly MessageInput[],
  arenaBytes: number,
  place: (length: number, content: string) => number,
): MessageBatch & { readonly bytes: CountedBytes } {
  const batch = batchOf(messages)
  const bytes = new CountedBytes(arenaBytes)
  const move = (starts: Int32Array, ends: Int32Array) => {
    const moved = { starts: starts.slice(), ends: ends.slice() }
    for (const [i, start] of starts.entries()) {
      if (start < 0) continue
      const content = batch.bytes.subarray(start, ends[i])
      const at = place(content.length, Buffer.from(content).toString('latin1'))
      bytes.set(content, at)
      moved.starts[i] = at
      moved.ends[i] = at + content.length
    }
    return moved
  }
  const [key, value, id] = [
    move(batch.keyStart, batch.keyEnd),
    move(batch.valueStart, batch.valueEnd),
    move(batch.idStart, batch.idEnd),
  ]
  const name = move(batch.headerNameStart, batch.headerNameEnd)
  const content = move(batch.headerValueStart, batch.headerValueEnd)
  return {
    ...batch,
    bytes,
    keyStart: key.starts,
    keyEnd: key.ends,
    valueStart: value.starts,
    valueEnd: value.ends,
    idStart: id.starts,
    idEnd: id.ends,
    headerNameStart: name.starts,
    headerNameEnd: name.ends,
    headerValueStart: content.starts,
    headerValueEnd: content.ends,
  }
}
