import { spend } from './budget.ts'
import { raise } from './raised.ts'
import type { Instruction, RegexProgram } from './regex-program.ts'

/** Steps of a search are so much cheaper than those of a program. */
const MOVES_A_STEP = 8
/** How many of them are taken from the budget at once. */
const MOVES_AT_ONCE = 1024
/** After so many moves for each place, what has failed is kept. */
const MOVES_BEFORE_KEEPING = 8
const MAX_KEPT_BITS = 1 << 26
const MAX_STACK = 1 << 23
const NOWHERE = -1

interface Run {
  readonly code: readonly Instruction[]
  readonly text: string
  /** The captures, then the places where repetitions began. */
  readonly registers: Int32Array
  /** Pairs of what to do where all else failed: an instruction and a place; or the complement of a register and what it held. */
  readonly stack: number[]
  readonly failed: Failed
  moves: number
  /** Those of them that were not taken from the budget yet. */
  unpaid: number
}

/** Which splits have failed at which places: they would again, whatever came before. */
interface Failed {
  readonly known: number
  bits: Uint32Array | undefined
}

/**
 * The registers of the first match at or behind a place; undefined where there is none. Each move is taken from the budget of the
 * program, so a search ends. Where a pattern has no references and repeats nothing that can be empty, the moves are no more than
 * instructions times places.
 */
export function runRegex(program: RegexProgram, text: string, from: number): Int32Array | undefined {
  const run: Run = {
    code: program.code,
    text,
    registers: new Int32Array(program.registers).fill(NOWHERE),
    stack: [],
    failed: { known: program.known, bits: undefined },
    moves: 0,
    unpaid: 0,
  }
  try {
    for (let start = from; start <= text.length; start += (text.codePointAt(start) ?? 0) > 0xff_ff ? 2 : 1) {
      if (program.starts !== undefined && (start === text.length || !program.starts(text.codePointAt(start)!))) {
        run.unpaid++
        continue
      }
      const end = runFrom(run, 0, start)
      if (end === NOWHERE) continue
      run.registers[0] = start
      run.registers[1] = end
      return run.registers
    }
    return undefined
  } finally {
    spend((1 + program.registers + run.unpaid) / MOVES_A_STEP)
  }
}

/** Where the match ends that begins at an instruction and a place. What stands on the stack for it is taken off, undone where it failed. */
function runFrom(run: Run, first: number, start: number): number {
  const { code, text, registers, stack, failed } = run
  const bottom = stack.length
  let [pc, at] = [first, start]
  for (;;) {
    if (++run.unpaid >= MOVES_AT_ONCE) pay(run)
    const instruction = code[pc]!
    let isGood = true
    pc++
    switch (instruction.op) {
      case 'char': {
        const next = charBound(text, at, instruction.isBack)
        isGood = next !== NOWHERE && instruction.takes(text.codePointAt(instruction.isBack ? next : at)!)
        at = next
        break
      }
      case 'split':
        if (failed.bits !== undefined && instruction.known >= 0 && wasHere(run, failed.bits, instruction.known, at)) {
          isGood = false
          break
        }
        stack.push(instruction.orElse, at)
        pc = instruction.to
        break
      case 'jump':
        pc = instruction.to
        break
      case 'save':
        write(run, instruction.register, at)
        break
      case 'clear':
        run.unpaid += instruction.below - instruction.from
        for (let register = instruction.from; register < instruction.below; register++) write(run, register, NOWHERE)
        break
      case 'moved':
        isGood = registers[instruction.register] !== at
        break
      case 'same': {
        at = behindSame(run, instruction, at)
        isGood = at !== NOWHERE
        break
      }
      case 'look': {
        const end = look(run, instruction, pc, at)
        isGood = end !== NOWHERE
        if (instruction.isAtomic) at = end
        pc = instruction.next
        break
      }
      case 'end':
        return at
    }
    if (isGood) continue
    for (;;) {
      if (stack.length === bottom) return NOWHERE
      const value = stack.pop()!
      const target = stack.pop()!
      if (target >= 0) {
        pc = target
        at = value
        break
      }
      registers[~target] = value
    }
  }
}

function write({ registers, stack }: Run, register: number, value: number): void {
  stack.push(~register, registers[register]!)
  registers[register] = value
}

/** The other end of the character at a place; -1 where the text ends. */
function charBound(text: string, at: number, isBack: boolean): number {
  if (!isBack) return at >= text.length ? NOWHERE : at + (text.codePointAt(at)! > 0xff_ff ? 2 : 1)
  if (at <= 0) return NOWHERE
  return at >= 2 && text.codePointAt(at - 2)! > 0xff_ff ? at - 2 : at - 1
}

/**
 * Looks ahead or behind: the place where that ended, or `at` where it must fail and does; -1 where not. Nothing in it is tried again, but
 * what it captured is undone when what comes after fails.
 */
function look(run: Run, { isNot }: { readonly isNot: boolean }, first: number, at: number): number {
  const { stack, registers } = run
  const bottom = stack.length
  const end = runFrom(run, first, at)
  if (!isNot) {
    if (end !== NOWHERE) keepUndoings(stack, bottom)
    return end
  }
  while (stack.length > bottom) {
    const value = stack.pop()!
    const target = stack.pop()!
    if (target < 0) registers[~target] = value
  }
  return end === NOWHERE ? at : NOWHERE
}

function keepUndoings(stack: number[], bottom: number): void {
  let kept = bottom
  for (let from = bottom; from < stack.length; from += 2) {
    if (stack[from]! >= 0) continue
    stack[kept++] = stack[from]!
    stack[kept++] = stack[from + 1]!
  }
  stack.length = kept
}

/** Takes moves from the budget, and begins to keep what failed where there are many. */
function pay(run: Run): void {
  const { text, stack, failed } = run
  run.moves += run.unpaid
  spend(run.unpaid / MOVES_A_STEP)
  run.unpaid = 0
  if (stack.length > MAX_STACK) raise('Regex failure: too many ways to match')
  if (failed.bits !== undefined || run.moves < MOVES_BEFORE_KEEPING * text.length) return
  const bits = failed.known * (text.length + 1)
  if (bits > 0 && bits <= MAX_KEPT_BITS) failed.bits = new Uint32Array(Math.ceil(bits / 32))
}

/** Whether a split was run at a place before; it has then failed there, or what it began would have ended the search. */
function wasHere({ text }: Run, bits: Uint32Array, known: number, at: number): boolean {
  const bit = known * (text.length + 1) + at
  const mask = 1 << (bit & 31)
  const word = bits[bit >>> 5]!
  if ((word & mask) !== 0) return true
  bits[bit >>> 5] = word | mask
  return false
}

const MOVES_A_CASE = 16

/** Behind what a group captured, where it stands again; a group that captured nothing stands everywhere. */
function behindSame(run: Run, { groups, isBack, ignoresCase }: Extract<Instruction, { op: 'same' }>, start: number): number {
  const { text, registers } = run
  const group = groups.find((number) => registers[2 * number]! >= 0 && registers[2 * number + 1]! >= 0)
  if (group === undefined) return start
  const [from, to] = [registers[2 * group]!, registers[2 * group + 1]!]
  spend((to - from) / MOVES_A_STEP)
  if (!ignoresCase) {
    const place = isBack ? start - (to - from) : start
    if (place < 0 || !text.startsWith(text.slice(from, to), place)) return NOWHERE
    const end = isBack ? place : start + (to - from)
    return isInPair(text, end) ? NOWHERE : end
  }
  const points = Array.from(text.slice(from, to))
  let at = start
  for (const point of isBack ? points.toReversed() : points) {
    const next = charBound(text, at, isBack)
    if (next === NOWHERE || !isSame(point, text.slice(Math.min(at, next), Math.max(at, next)))) return NOWHERE
    at = next
  }
  return at
}

const isInPair = (text: string, at: number): boolean => at > 0 && (text.codePointAt(at - 1) ?? 0) > 0xff_ff

/** Whether two characters are the same but for their case, as JavaScript sees it. */
function isSame(a: string, b: string): boolean {
  if (a === b) return true
  spend(MOVES_A_CASE)
  return new RegExp(`^\\u{${a.codePointAt(0)!.toString(16)}}$`, 'vi').test(b)
}
