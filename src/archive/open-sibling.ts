import { createHash } from 'node:crypto'
import type { MessageBatch } from '../batch/batch.ts'
import type { Codec, EncodedBlock, Format } from '../encode/block.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { SiblingEntry } from '../encode/segment.ts'
import { hasCodec, type Sibling, type SiblingFormat, siblingOf } from '../encode/siblings.ts'
import { MillpondError } from '../errors.ts'
import { crc32c } from '../kernel/checksum.ts'
import type { LaneRun } from './lane-run.ts'
import type { ArchiveOptions } from './options.ts'
import { fixedSync, holdSame, nameTaken } from './takeover.ts'

/** A kind of objects beside segments. */
export interface SiblingRules {
  readonly role: SiblingEntry['role']
  readonly codec: Codec
  readonly rules: Sibling
  /** What segments of the same bytes are in. */
  readonly format: Format
}

/** The siblings that are asked for; where their format does not have the segments' codec they are not compressed. */
export function siblingRules({ siblings = {}, codec, formatOptions }: ArchiveOptions): SiblingRules[] {
  return (['keys', 'headers'] as const).flatMap((role): SiblingRules[] => {
    const format = siblings[role]
    if (format === undefined) return []
    return [
      {
        role,
        codec: hasCodec(format, codec) ? codec : 'null',
        rules: siblingOf(role, format, formatOptions),
        format: sameAs[format],
      },
    ]
  })
}

const sameAs: Readonly<Record<SiblingFormat, Format>> = {
  avro: 'value-avro',
  json: 'value-json',
  parquet: 'value-parquet',
  raw: 'raw',
}

/** Keys or headers of the messages of one segment, on their way. */
export interface OpenSibling {
  add(batch: MessageBatch): void
  /**
   * Makes the object durable; one with the same content that is there already will do. `wasFound` tells that what the segment must hold was known before.
   * @throws MillpondError where another one lies under its key: `NAME_TAKEN` if `wasFound`, or else `SEGMENT_TAKEN`, for the next attempt may find it.
   */
  finish(wasFound: boolean): Promise<SiblingEntry>
}

/** Opens a sibling under `key`. They are small beside their segments: what they hold waits in memory. */
export function openSibling(
  { parts: { store }, options, pool }: LaneRun,
  key: string,
  { role, codec, rules, format }: SiblingRules,
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
    async finish(wasFound) {
      const last = encoder.flush()
      if (last) take([last])
      await tail
      const ours = Buffer.concat([...chunks, framing.trailer?.() ?? new Uint8Array(0)])
      const bytes = (await store.putIfAbsent(key, ours)) === 'created' ? ours : await store.read(key)
      if (Buffer.compare(bytes, ours) !== 0) {
        const isSame = await holdSame([bytes, ours], { format, codec, formatOptions: options.formatOptions }).catch(() => false)
        // What does not tell how much it holds is not found by the next attempt either.
        const mayBeFound = !wasFound && segmentFormat(format).split !== undefined
        if (!isSame && mayBeFound) throw new MillpondError('SEGMENT_TAKEN', `${key} is there already`, { details: { key } })
        if (!isSame) throw nameTaken(key, 'it holds something else')
      }
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      return { role, key, bytes: bytes.byteLength, crc32c: crc32c(bytes), sha256 }
    },
  }
}
