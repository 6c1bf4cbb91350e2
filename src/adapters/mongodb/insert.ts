import type { Collection, OptionalUnlessRequiredId } from 'mongodb'
import { isDuplicate } from './errors.ts'

/** A document whose `_id` is given. */
export interface Identified {
  readonly _id: string
}

/** Adds a document; false where one of that `_id`, or of another field that is unique, is there. */
export async function inserted<T extends Identified>(collection: Collection<T>, document: T): Promise<boolean> {
  try {
    await collection.insertOne(document as unknown as OptionalUnlessRequiredId<T>)
    return true
  } catch (error) {
    if (isDuplicate(error)) return false
    throw error
  }
}

/** The `_id` of a document. */
export const idOf = ({ _id }: Identified): string => _id
