import { keyAt, idAt } from '../batch/view.ts'
import { checkStoredBlock, readStoredBlock, segmentFormat } from '../encode/formats.ts'
import { checkSlice, lookupHash, probeSlice, sliceOf } from '../encode/lookup.ts'
import type { SegmentEntry } from '../encode/segment.ts'
import type { Store } from '../store/store.ts'

/** Whose messages are meant: those that have this key, or this id. */
export interface Subject {
  readonly field: 'key' | 'id'
  readonly value: Uint8Array
}

/** The subjects by the text that stands for their value, field by field. */
export type SubjectTable = Readonly<Record<Subject['field'], ReadonlyMap<string, Subject>>>

/** Subjects, so that a message's own is found at once. */
export function tableOf(subjects: readonly Subject[]): SubjectTable {
  const of = (wanted: Subject['field']) =>
    new Map(subjects.filter(({ field }) => field === wanted).map((subject) => [textOf(subject.value), subject]))
  return { key: of('key'), id: of('id') }
}

/** One text for the same bytes, whatever they are. */
const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString('latin1')

/** The messages of a segment that are meant. */
export interface Found {
  readonly positions: ReadonlySet<number>
  readonly subjects: ReadonlySet<Subject>
}

/** Whether messages of a segment can be told from one another, so that some of them can be left out. */
export const isReadable = ({ format, siblings }: SegmentEntry): boolean => siblings.length === 0 && segmentFormat(format).keepsAll

/**
 * Ordinals of the blocks that may hold messages of the subjects, as the filters say; all where there are none for a field that is asked for.
 * @throws MillpondError `COMMIT_CORRUPT` for filters that are not what was written.
 */
export function candidateBlocks(segment: SegmentEntry, subjects: readonly Subject[], lookupBytes: Uint8Array): Set<number> {
  const ordinals = new Set<number>()
  for (const { field, value } of subjects) {
    const lookup = segment.lookups.find((one) => one.field === field)
    if (lookup === undefined) return new Set(segment.blocks.keys())
    const hash = lookupHash(value)
    const { start, end } = sliceOf(lookup, hash)
    const slice = lookupBytes.subarray(start, end)
    checkSlice(lookup, slice)
    for (const ordinal of probeSlice(lookup, slice, hash)) ordinals.add(ordinal)
  }
  return ordinals
}

/** Reads the blocks and finds the messages that are meant. @throws MillpondError `BLOCK_CORRUPT`. */
export async function findMessages(
  store: Store,
  segment: SegmentEntry,
  ordinals: ReadonlySet<number>,
  table: SubjectTable,
  signal: AbortSignal | undefined,
): Promise<Found> {
  const positions = new Set<number>()
  const subjects = new Set<Subject>()
  for (const [ordinal, block] of segment.blocks.entries()) {
    if (!ordinals.has(ordinal)) continue
    signal?.throwIfAborted()
    const stored = await store.read(segment.key, { start: block.offset, end: block.offset + block.bytes }, signal)
    checkStoredBlock(stored, block)
    const batch = await readStoredBlock(segment, stored, block)
    for (let row = 0; row < batch.count; row++) {
      const key = table.key.size === 0 ? null : keyAt(batch, row)
      const id = table.id.size === 0 ? null : idAt(batch, row)
      const subject =
        (key === null ? undefined : table.key.get(textOf(key))) ??
        (id === null ? undefined : table.id.get(textOf(Buffer.from(id))))
      if (subject === undefined) continue
      positions.add(batch.positions[row]!)
      subjects.add(subject)
    }
  }
  return { positions, subjects }
}
