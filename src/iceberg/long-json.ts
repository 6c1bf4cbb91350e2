import { MillpondError } from '../errors.ts'

/** A 64-bit whole number as JSON and Avro have it: a number where it is safe, otherwise a bigint. Ids of snapshots are such. */
export type Long = number | bigint

declare global {
  interface JSON {
    /** In Node since 21; not yet in TypeScript's libraries. */
    rawJSON(text: string): unknown
    parse(text: string, reviver: (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown): unknown
  }
}

const WHOLE = /^-?\d+$/u

/** Reads JSON of which no whole number is rounded: those past 2^53 become bigints. @throws MillpondError `TABLE_CORRUPT`, naming `place`. */
export function parseLongJson(text: string, place: string): unknown {
  try {
    return JSON.parse(text, (_, value, { source }) =>
      typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && WHOLE.test(source)
        ? BigInt(source)
        : value,
    )
  } catch (error) {
    throw new MillpondError('TABLE_CORRUPT', `${place} is no JSON`, { cause: error, details: { place } })
  }
}

/** JSON with bigints as whole numbers. */
export const writeLongJson = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? JSON.rawJSON(String(inner)) : inner))

/** Whether both are the same number. */
export const isSameLong = (left: Long | undefined, right: Long | undefined): boolean =>
  left === undefined || right === undefined ? left === right : BigInt(left) === BigInt(right)
