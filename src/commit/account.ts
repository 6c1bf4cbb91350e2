import type { DeadLetter, Gap } from './commit.ts'

/** The positions that a block covers. */
interface Covered {
  readonly count: number
  readonly firstPosition: number
  readonly lastPosition: number
}

/** Accounts for every position of a lane between two commits: message, dead letter or gap. */
export interface PositionAccount {
  /** The position after everything taken so far. */
  readonly nextPosition: number
  /** The same with what may lie behind blocks that are still to come: dead letters, and positions that were passed. */
  readonly endPosition: number
  /** True where a commit has something to say. */
  readonly isOpen: boolean
  /** Takes a block; positions between the one before and this one that are no dead letters are missing. */
  addBlock(block: Covered): void
  /** Takes a message that no block holds; it may lie behind blocks that are still to come. */
  addDeadLetter(letter: DeadLetter): void
  /** Takes word that positions below this one hold no message unless it is given; it may lie behind blocks that are still to come. */
  addPassed(passedTo: number): void
  /** What a commit up to `nextPosition` has to record; what lies behind it stays for the next one. */
  close(nextPosition: number): { readonly gaps: readonly Gap[]; readonly deadLetters: readonly DeadLetter[] }
}

/** An account that begins at `firstPosition`. */
export function openAccount(firstPosition: number): PositionAccount {
  let nextPosition = firstPosition
  let passedTo = firstPosition
  let gaps: Gap[] = []
  let letters: DeadLetter[] = []
  const lettersIn = (from: number, to: number) => letters.filter(({ position }) => position >= from && position < to).length

  const endPosition = () => letters.reduce((end, { position }) => Math.max(end, position + 1), Math.max(nextPosition, passedTo))

  const addGap = (from: number, to: number, missing: number) => {
    if (missing === 0) return
    const last = gaps.at(-1)
    // Ranges that touch become one: a compacted topic has a hole behind every message.
    if (last?.nextPosition === from) gaps[gaps.length - 1] = { ...last, nextPosition: to, missing: last.missing + missing }
    else gaps.push({ firstPosition: from, nextPosition: to, missing, reason: 'skipped' })
  }

  return {
    get nextPosition() {
      return nextPosition
    },
    get endPosition() {
      return endPosition()
    },
    get isOpen() {
      return endPosition() > firstPosition
    },
    addBlock(block) {
      const before = block.firstPosition - nextPosition
      addGap(nextPosition, block.firstPosition, before === 0 ? 0 : before - lettersIn(nextPosition, block.firstPosition))
      const span = block.lastPosition + 1 - block.firstPosition
      const inside = span === block.count ? 0 : span - block.count - lettersIn(block.firstPosition, block.lastPosition + 1)
      addGap(block.firstPosition, block.lastPosition + 1, inside)
      nextPosition = block.lastPosition + 1
    },
    addDeadLetter(letter) {
      letters.push(letter)
    },
    addPassed(position) {
      passedTo = Math.max(passedTo, position)
    },
    close(upTo) {
      if (upTo > nextPosition) addGap(nextPosition, upTo, upTo - nextPosition - lettersIn(nextPosition, upTo))
      const closed = { gaps, deadLetters: letters.filter(({ position }) => position < upTo) }
      gaps = []
      letters = letters.filter(({ position }) => position >= upTo)
      nextPosition = upTo
      firstPosition = upTo
      return closed
    },
  }
}
