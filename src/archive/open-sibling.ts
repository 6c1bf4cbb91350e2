import { createHash } from 'node:crypto'
import type { MessageBatch } from '../batch/batch.ts'
import { isCodec } from '../encode/avro-container.ts'
import type { Codec, EncodedBlock } from '../encode/block.ts'
import { isLineCodec } from '../encode/line-format.ts'
import type { SiblingEntry } from '../encode/segment.ts'
import { type Sibling, type SiblingFormat, siblingOf } from '../encode/siblings.ts'
import { crc32c } from '../kernel/checksum.ts'
import type { LaneRun } from './lane-run.ts'
import type { ArchiveOptions } from './options.ts'
import { fixedSync, nameTaken } from './takeover.ts'

/** A kind of objects beside segments. */
export interface SiblingRules {
  readonly role: SiblingEntry['role']
  readonly codec: Codec
  readonly rules: Sibling
}

/** The siblings that are asked for; where their format does not have the segments' codec they are not compressed. */
export function siblingRules({ siblings = {}, codec, formatOptions }: ArchiveOptions): SiblingRules[] {
  return (['keys', 'headers'] as const).flatMap((role): SiblingRules[] => {
    const format = siblings[role]
    if (format === undefined) return []
    return [{ role, codec: hasCodec(format, codec) ? codec : 'null', rules: siblingOf(role, format, formatOptions) }]
  })
}

const hasCodec = (format: SiblingFormat, codec: Codec): boolean => (format === 'avro' ? isCodec(codec) : isLineCodec(codec))

/** Keys or headers of the messages of one segment, on their way. */
export interface OpenSibling {
  add(batch: MessageBatch): void
  /** Makes the object durable. @throws MillpondError `NAME_TAKEN` where another one lies under its key. */
  finish(): Promise<SiblingEntry>
}

/** Opens a sibling under `key`. They are small beside their segments: what they hold waits in memory. */
export function openSibling(
  { parts: { store }, options, pool }: LaneRun,
  key: string,
  { role, codec, rules }: SiblingRules,
  onHeld: (change: number) => void,
): OpenSibling {
  const encoder = rules.createEncoder({ ...options, codec, pool })
  const framing = rules.openFraming(codec, fixedSync(key))
  const chunks: Uint8Array[] = [framing.header]
  let tail = Promise.resolve()
  const take = (blocks: readonly Promise<EncodedBlock>[]) => {
    for (const block of blocks) {
      tail = tail.then(async () => {
        for (const chunk of framing.frame(await block)) {
          chunks.push(chunk)
          onHeld(chunk.byteLength)
        }
      })
      tail.catch(() => undefined)
    }
  }
  return {
    add: (batch) => take(encoder.add(batch)),
    async finish() {
      const last = encoder.flush()
      if (last) take([last])
      await tail
      const bytes = Buffer.concat(chunks)
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      if ((await store.putIfAbsent(key, bytes)) === 'exists' && Buffer.compare(await store.read(key), bytes) !== 0) {
        throw nameTaken(key, 'it holds something else')
      }
      return { role, key, bytes: bytes.byteLength, crc32c: crc32c(bytes), sha256 }
    },
  }
}
