import type { Collection, Db } from 'mongodb'
import type { OpenMongo } from './client.ts'
import { type Identified, idOf, inserted } from './insert.ts'

/** A document that is changed by who knows its version alone. */
export interface VersionedDocument extends Identified {
  /** Another one where a document with the `_id` was there before and is gone. */
  readonly ref: string
  /** Rises by one with every change. */
  readonly version: number
}

/** Puts the document in the place of the one of its `_id` whose version is one lower; false where there is none. */
export type ReplaceVersion<T extends VersionedDocument> = (document: T) => Promise<boolean>

/** Where updates are not atomic: the document of a version, which whoever inserts it has made to be that version. */
export interface Claim extends Identified {
  readonly document: VersionedDocument
}

/** Claims are kept while somebody may still be busy with a version that is so much older. */
const KEPT_CLAIMS = 16

/** By the server's own atomic update, or, where it has none, by claims in a collection `<name>_claims`. */
export function replaceVersion<T extends VersionedDocument>(mongo: OpenMongo, name: string): ReplaceVersion<T> {
  const { database } = mongo
  const collection = database.collection<VersionedDocument>(name)
  const byClaims = replaceByClaims(database, name)
  return async (document) => {
    if (!(await mongo.updatesAreAtomic())) return byClaims(document)
    const { _id, ref, version } = document
    return (await collection.replaceOne({ _id, ref, version: version - 1 }, document)).matchedCount === 1
  }
}

/** The claims of versions of that collection's documents; there is none where updates are atomic. */
export const claimsOf = (database: Db, name: string): Collection<Claim> => database.collection<Claim>(`${name}_claims`)

/**
 * An insertion decides who makes a version; the document follows, by whoever finds that it has not. Writing it by `_id` may put it back behind
 * what others have written meanwhile: then their claims are there, and are followed again before the call ends.
 */
function replaceByClaims(database: Db, name: string): ReplaceVersion<VersionedDocument> {
  const collection = database.collection<VersionedDocument>(name)
  const claims = claimsOf(database, name)
  const claimId = ({ _id, ref }: VersionedDocument, version: number) => `${ref}.${_id}@${version}`

  /** Has the document follow the claims behind it; gives its version before and after. */
  async function settle(document: VersionedDocument): Promise<{ readonly before: number; readonly after: number } | undefined> {
    const one = { _id: idOf(document) }
    const known = await collection.findOne(one)
    if (known?.ref !== document.ref) return undefined
    for (let after = known.version; ; after++) {
      const next = await claims.findOne({ _id: claimId(document, after + 1) })
      if (next === null) return { before: known.version, after }
      await collection.replaceOne(one, next.document)
    }
  }

  /** Claims that nobody is busy with any more, now and then. */
  async function forget(document: VersionedDocument): Promise<void> {
    const { version } = document
    if (version % KEPT_CLAIMS !== 0) return
    const old = Array.from({ length: KEPT_CLAIMS }, (_, at) => claimId(document, version - 2 * KEPT_CLAIMS + at))
    await claims.deleteMany({ _id: { $in: old } })
  }

  return async (document) => {
    const { version } = document
    const claimed = { _id: claimId(document, version) }
    const isOurs = await inserted(claims, { ...claimed, document })
    const settled = await settle(document)
    if (!isOurs) return false
    const { before, after } = settled ?? { before: 0, after: -1 }
    if (after >= version && before < version + KEPT_CLAIMS) {
      await forget(document)
      return true
    }
    // There is no document that it follows, or what was claimed so long ago is forgotten.
    await claims.deleteOne(claimed)
    return false
  }
}
