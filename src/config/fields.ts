import { z } from 'zod'
import { createSecret } from '../secret.ts'
import { DURATION_PATTERN, parseDuration, parseSize, SIZE_PATTERN } from './units.ts'

export const DAY_MS = 86_400_000
export const MiB = 1024 * 1024
export const TiB = 1024 ** 4

// What `${PORT}` gave is text; a number or truth value is read from it here, after parsing, so that it cannot change the structure.
const readNumber = (value: unknown): unknown => (typeof value === 'string' && /^-?\d+$/u.test(value) ? Number(value) : value)
const readTruth = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value)

const numberBetween = (min: number, max: number, description: string) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error }).meta({ description })
}

/** A whole number. */
export function wholeNumber(min: number, max: number, standard: number, description: string) {
  return z.preprocess(readNumber, numberBetween(min, max, description).default(standard))
}

/** A whole number that may be left out. */
export function optionalNumber(min: number, max: number, description: string) {
  return z.preprocess(readNumber, numberBetween(min, max, description).optional())
}

/** A size in bytes, as a number or as text with a unit. It stays as it is written; `parseSize` counts it. */
export function size(minBytes: number, maxBytes: number, description: string) {
  const error = `must be a size from ${sizeText(minBytes)} to ${sizeText(maxBytes)}, like 256 MiB or 10 MB`
  return z
    .union([z.int(), z.string().regex(new RegExp(SIZE_PATTERN, 'u'))], { error })
    .refine((value) => isBetween(parseSize(value), minBytes, maxBytes), { error })
    .meta({ description })
}

/** A duration, as a number of milliseconds or as text with a unit. It stays as it is written; `parseDuration` counts it. */
export function duration(minMs: number, maxMs: number, description: string) {
  const error = `must be a duration from ${durationText(minMs)} to ${durationText(maxMs)}, like 500ms, 10s, 15m, 12h or 7d`
  return z
    .union([z.int(), z.string().regex(new RegExp(DURATION_PATTERN, 'u'))], { error })
    .refine((value) => isBetween(parseDuration(value), minMs, maxMs), { error })
    .meta({ description })
}

const isBetween = (value: number | undefined, min: number, max: number): boolean =>
  value !== undefined && value >= min && value <= max

function sizeText(bytes: number): string {
  const powers = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = bytes === 0 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10))
  return `${bytes / 1024 ** power} ${powers[power]!}`
}

function durationText(ms: number): string {
  if (ms % DAY_MS === 0) return `${ms / DAY_MS}d`
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`
}

/** Text that is not empty. */
export function text(standard: string, description: string) {
  const error = 'must be text that is not empty'
  return z.string({ error }).min(1, { error }).meta({ description }).default(standard)
}

/** Text that may be left out. */
export function optionalText(description: string) {
  const error = 'must be text that is not empty'
  return z.string({ error }).min(1, { error }).meta({ description }).optional()
}

/** Text that is not shown anywhere, and may be left out. */
export function secretText(description: string) {
  const error = 'must be text that is not empty'
  return z.string({ error }).min(1, { error }).transform(createSecret).meta({ description }).optional()
}

/** A path of its own for a part that otherwise lies under `data`. */
export function optionalPath(description: string) {
  const error = 'must be a path'
  return z.string({ error }).min(1, { error }).meta({ description }).optional()
}

/** One of some words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(
  words: Words,
  standard: Words[number],
  description: string,
) {
  const error = words.length === 1 ? `must be ${words[0]}` : `must be one of ${words.join(', ')}`
  return z
    .enum(words, { error })
    .meta({ description })
    .default(standard as never)
}

/** True or false. */
export function truth(standard: boolean, description: string) {
  return z.preprocess(readTruth, z.boolean({ error: 'must be true or false' }).meta({ description }).default(standard))
}

/** A truth value that may be left out. */
export function optionalTruth(description: string) {
  return z.preprocess(readTruth, z.boolean({ error: 'must be true or false' }).meta({ description }).optional())
}

/** One of some words, that may be left out. */
export function optionalOneOf<const Words extends readonly [string, ...string[]]>(words: Words, description: string) {
  return z
    .enum(words, { error: `must be one of ${words.join(', ')}` })
    .meta({ description })
    .optional()
}

/** A list of texts. */
export function listOf(standard: readonly string[], what: string, description: string) {
  return z
    .array(z.string({ error: 'must be text' }).min(1, { error: 'must not be empty' }), { error: `must be a list of ${what}` })
    .meta({ description })
    .default([...standard])
}

/** A list of sections. */
export function sectionList<Item extends z.core.$ZodType>(item: Item, what: string, description: string) {
  return z
    .array(item, { error: `must be a list of ${what}` })
    .meta({ description })
    .default([])
}

/** Texts by name. */
export function words(what: string, description: string) {
  return z
    .record(z.string(), z.string({ error: 'must be text' }), { error: `must be a section of ${what}` })
    .meta({ description })
    .default({})
}

/** A section with keys of its own; `http:` with nothing behind it is null in YAML and means a section of defaults. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape, description: string) {
  const object = z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? 'must be a section with keys of its own' : undefined),
  })
  return z.preprocess((value) => value ?? {}, object.meta({ description }))
}
