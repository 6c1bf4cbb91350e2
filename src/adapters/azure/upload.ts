import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { MillpondError } from '../../errors.ts'
import { crc32cOfPieces, type PartUpload, type Pieces } from '../../store/part-writer.ts'
import type { RequestAttempt } from '../../store/requests.ts'
import type { PutOutcome } from '../../store/store.ts'
import { refusalOf } from './errors.ts'
import { bodyOf, encryptionOf, isTaken, md5Of, objectOptions, outcomeOf } from './objects.ts'
import type { AzurePlace, AzureWrite } from './objects.ts'

/** No object has more blocks (learn.microsoft.com, "Scalability and performance targets for Blob Storage", read 2026-11). */
const MAX_BLOCKS = 50_000

/**
 * An upload in blocks that makes the object if its key is free at the end. Blocks are staged side by side under names that no other writer
 * has, and sent again by the same name after a failure; the list of them makes the object. Blocks that no list takes up are not seen, and
 * the service drops them after a week, or as soon as another writer makes the object.
 */
export function createUpload(place: AzurePlace, key: string, signal: AbortSignal): PartUpload {
  const write: AzureWrite = { key, id: randomUUID(), ifAbsent: true }
  const blob = place.container.getBlockBlobClient(key)
  const names: string[] = []
  let crc = 0

  const stage = async (part: Pieces): Promise<void> => {
    if (names.length === MAX_BLOCKS) {
      const details = { key, maxBlocks: MAX_BLOCKS }
      throw new MillpondError('OBJECT_TOO_LARGE', `"${key}" needs more than ${MAX_BLOCKS} parts: make them larger`, { details })
    }
    // All names of an object's blocks have one length.
    const name = Buffer.from(`${write.id}-${String(names.length).padStart(5, '0')}`).toString('base64')
    names.push(name)
    crc = crc32cOfPieces(part, crc)
    const options = { ...encryptionOf(place), transactionalContentMD5: md5Of(part) }
    const act = async ({ signal, alive }: RequestAttempt): Promise<void> => {
      await blob.stageBlock(name, bodyOf(part, alive), part.bytes, { ...options, abortSignal: signal })
    }
    await place.requests.send({ kind: 'part', key, sentBytes: part.bytes, act }, signal)
  }

  let attempts = 0
  const commit = async ({ number, signal }: RequestAttempt): Promise<PutOutcome | 'gone'> => {
    attempts = number
    try {
      await blob.commitBlockList(names, { ...objectOptions(place, write, crc), abortSignal: signal })
      return 'created'
    } catch (error) {
      if (isTaken(error)) return 'exists'
      // Blocks are gone once an object is made, be it by another writer or by an earlier attempt whose answer was lost.
      if (refusalOf(error)?.code === 'InvalidBlockList') return 'gone'
      throw error
    }
  }

  return {
    send: stage,
    async finish(last) {
      await stage(last)
      const outcome = await place.requests.send({ kind: 'complete', key, act: commit }, signal)
      if (outcome === 'created' || (outcome === 'exists' && attempts === 1)) return outcome
      const found = await outcomeOf(place, write, signal)
      if (found !== undefined) return found
      throw new MillpondError('STORE_UNAVAILABLE', `the service no longer has the parts of "${key}"`, { details: { key } })
    },
    abandon: async () => undefined,
  }
}
