import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  appendRuns,
  type ChangedDirectory,
  decodeChunks,
  decodeRuns,
  type Directory,
  encodeChunks,
  encodeRuns,
  type Run,
  segmentCount,
  spliceRuns,
  touchedPieces,
} from '../../../src/adapters/mongodb/index-directory.ts'

interface Held {
  readonly directory: Directory
  /** Every chunk that was ever written. */
  readonly written: ReadonlyMap<string, Uint8Array>
  /** What the directory should hold. */
  readonly runs: readonly Run[]
}

const nothing: Held = { directory: { chunks: [], open: [] }, written: new Map(), runs: [] }

const runOf = (rewrite: number, place: number, part: number, firstPosition: number, count: number): Run => ({
  rewrite,
  place,
  part,
  entries: Array.from({ length: count }, (_, at) => ({
    firstPosition: firstPosition + at * 10,
    lastPosition: firstPosition + at * 10 + 9,
    minTimestamp: (firstPosition * 7919 + at) % 1000,
    maxTimestamp: ((firstPosition * 7919 + at) % 1000) + 5,
    rewrite,
  })),
})

const endOf = (runs: readonly Run[]): number => (runs.at(-1)?.entries.at(-1)?.lastPosition ?? -1) + 1

const withWritten = ({ written }: Held, { directory, sealed }: ChangedDirectory, runs: readonly Run[]): Held => ({
  directory,
  written: new Map([...written, ...sealed.map(({ name, bytes }) => [name, bytes] as const)]),
  runs,
})

function append(held: Held, parts: readonly number[]): Held {
  let next = endOf(held.runs)
  const place = next
  const added = parts.map((count, part) => {
    const run = runOf(0, place, part, next, count)
    next += count * 10
    return run
  })
  return withWritten(held, appendRuns(held.directory, added), [...held.runs, ...added])
}

const heldBy = ({ directory, written }: Held, from: number, to: number): Run[] =>
  directory.chunks.slice(from, to).flatMap(({ name }) => decodeRuns(written.get(name)!))

/** Puts one segment in the place of those of some commits. */
function replace(held: Held, rewrite: number, start: number, length: number): Held {
  const places = [...new Set(held.runs.map(({ rewrite: by, place }) => `${by}.${place}`))]
  const first = Math.floor(start * places.length)
  const chosen = new Set(places.slice(first, first + length))
  const isIn = ({ rewrite: by, place }: Run) => chosen.has(`${by}.${place}`)
  const out = held.runs.filter(isIn)
  if (out.length === 0) return held
  const range = { firstPosition: out[0]!.entries[0]!.firstPosition, nextPosition: endOf(out) }
  const made = runOf(rewrite, rewrite - 1, 0, range.firstPosition, 1)
  const { from, to } = touchedPieces(held.directory, range)
  const changed = spliceRuns(held.directory, range, heldBy(held, from, to), [made])
  expect(changed.replaced).toEqual(out)
  const at = held.runs.findIndex(isIn)
  return withWritten(held, changed, held.runs.filter((run) => !isIn(run)).toSpliced(at, 0, made))
}

describe('the directory of a lane', () => {
  const commit = fc.array(fc.integer({ min: 1, max: 64 }), { minLength: 1, maxLength: 4 })
  const rewrite = fc.tuple(fc.double({ min: 0, max: 0.99, noNaN: true }), fc.integer({ min: 1, max: 60 }))
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.array(commit, { minLength: 1, maxLength: 20 }) },
    { weight: 1, arbitrary: rewrite },
  )

  it('holds what was appended and put in the place of others, in order, whatever the steps', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        let held = nothing
        let rewrites = 0
        for (const each of steps) {
          if (typeof each[0] === 'number') held = replace(held, ++rewrites, each[0], each[1] as number)
          else for (const parts of each as number[][]) held = append(held, parts)
          const { directory, runs } = held
          expect([...heldBy(held, 0, directory.chunks.length), ...directory.open]).toEqual(runs)
          expect(segmentCount(directory)).toBe(runs.reduce((sum, { entries }) => sum + entries.length, 0))
          expect(decodeChunks(encodeChunks(directory.chunks))).toEqual(directory.chunks)
          expect(decodeRuns(encodeRuns(directory.open))).toEqual(directory.open)
        }
      }),
      { numRuns: 40 },
    )
  })

  it('keeps its pieces few where many commits become one', () => {
    let held = nothing
    for (let at = 0; at < 4000; at++) held = append(held, [1])
    expect([held.directory.chunks.length, held.directory.open.length]).toEqual([7, 4000 - 7 * 512])
    for (let round = 0; round < 100; round++) held = replace(held, round + 1, round / held.runs.length, 40)
    expect(held.runs).toHaveLength(100)
    expect(held.directory.chunks.length).toBeLessThan(3)
  })

  it('is refused where it is torn', () => {
    const bytes = encodeRuns([runOf(0, 0, 0, 0, 3), runOf(2, 1, 0, 30, 1)])
    for (let at = 0; at < bytes.length; at++) expect(() => decodeRuns(bytes.subarray(0, at))).toThrow(RangeError)
  })
})
