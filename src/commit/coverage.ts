import type { MessageBatch } from '../batch/batch.ts'
import type { BlockEntry } from '../encode/segment.ts'
import type { Commit } from './commit.ts'

/** Positions as runs without holes; a segment without gaps is one run. A class: it takes every message of an archive. */
export class PositionRuns {
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  /** False where positions were taken whose number alone is known. */
  isExact = true

  /** Takes the positions of a batch. */
  add({ positions, count }: MessageBatch): void {
    for (let row = 0; row < count; row++) {
      const position = positions[row]!
      const last = this.#ends.length - 1
      if (this.#ends[last] === position) this.#ends[last] = position + 1
      else {
        this.#starts.push(position)
        this.#ends.push(position + 1)
      }
    }
  }

  /** Takes the positions of a block that cannot be read, on its commit's word. */
  addClaimed({ firstPosition, lastPosition, count }: Pick<BlockEntry, 'firstPosition' | 'lastPosition' | 'count'>): void {
    if (count !== lastPosition - firstPosition + 1) this.isExact = false
    this.#starts.push(firstPosition)
    this.#ends.push(lastPosition + 1)
  }

  /** All runs by their beginning, each `[start, end)`. */
  sorted(): readonly (readonly [number, number])[] {
    const runs = this.#starts.map((start, i) => [start, this.#ends[i]!] as const)
    return runs.sort((left, right) => left[0] - right[0])
  }
}

/** A position that a commit does not account for exactly once. */
export interface CoverageFault {
  readonly position: number
  readonly message: string
}

/**
 * What is wrong with how a commit covers its positions, `held` being those that its segments do hold: each must be a message, a dead
 * letter or missing in a gap, and one of them only.
 */
export function coverageFaults(
  commit: Pick<Commit, 'firstPosition' | 'nextPosition' | 'gaps' | 'deadLetters'>,
  held: PositionRuns,
): CoverageFault[] {
  const faults: CoverageFault[] = []
  const holes = createHoles(commit, faults)
  let expected = commit.firstPosition
  for (const [start, end] of held.sorted()) {
    if (start < expected)
      faults.push({
        position: start,
        message: `positions ${start} to ${Math.min(end, expected) - 1} are there twice or before the commit`,
      })
    else if (start > expected) holes.take(expected, start)
    expected = Math.max(expected, end)
  }
  if (expected > commit.nextPosition)
    faults.push({ position: expected - 1, message: `position ${expected - 1} is behind the commit` })
  if (expected < commit.nextPosition) holes.take(expected, commit.nextPosition)
  holes.end()
  return faults
}

/** Takes ranges without messages, in order, and compares them with gaps and dead letters. */
function createHoles({ gaps, deadLetters }: Pick<Commit, 'gaps' | 'deadLetters'>, faults: CoverageFault[]) {
  const missing = gaps.map(() => 0)
  let gapAt = 0
  let letterAt = 0

  const lettersIn = (from: number, to: number): number => {
    let count = 0
    for (; letterAt < deadLetters.length && deadLetters[letterAt]!.position < to; letterAt++) {
      const { position } = deadLetters[letterAt]!
      if (position >= from) count++
      else faults.push({ position, message: `position ${position} is a dead letter and a message` })
    }
    return count
  }

  return {
    take(from: number, to: number): void {
      for (let at = from; at < to;) {
        while (gapAt < gaps.length && gaps[gapAt]!.nextPosition <= at) gapAt++
        const gap = gaps[gapAt]
        const isInside = gap !== undefined && gap.firstPosition <= at
        const end = Math.min(to, isInside ? gap.nextPosition : (gap?.firstPosition ?? to))
        const empty = end - at - lettersIn(at, end)
        if (isInside) missing[gapAt]! += empty
        else if (empty > 0)
          faults.push({ position: at, message: `${empty} positions from ${at} to ${end - 1} are not there, and no gap says why` })
        at = end
      }
    },
    end(): void {
      lettersIn(Infinity, Infinity)
      for (const [i, gap] of gaps.entries()) {
        if (missing[i] === gap.missing) continue
        const message = `the gap from ${gap.firstPosition} to before ${gap.nextPosition} misses ${missing[i]} positions, not ${gap.missing}`
        faults.push({ position: gap.firstPosition, message })
      }
    },
  }
}
