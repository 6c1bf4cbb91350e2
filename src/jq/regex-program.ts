import { spend } from './budget.ts'
import { raise } from './raised.ts'
import { beginsOf, charRegex } from './regex-begin.ts'
import type { RegexLook, RegexNode, RegexRepeat } from './regex-tree.ts'

/** One thing to do. Places in the subject and captures stand in registers; the first two of them are the ends of the match. */
export type Instruction =
  | { readonly op: 'char'; readonly isBack: boolean; readonly takes: (point: number) => boolean }
  | { readonly op: 'same'; readonly isBack: boolean; readonly groups: readonly number[]; readonly ignoresCase: boolean }
  /** Goes on at `to`, and if that fails at `orElse`. `known` numbers those that depend on nothing but where they are. */
  | { op: 'split'; to: number; orElse: number; readonly known: number }
  | { op: 'jump'; to: number }
  | { readonly op: 'save'; readonly register: number }
  | { readonly op: 'clear'; readonly from: number; readonly below: number }
  /** Fails where the place is still the saved one: a repetition that took nothing. */
  | { readonly op: 'moved'; readonly register: number }
  | { op: 'look'; readonly isNot: boolean; readonly isAtomic: boolean; next: number }
  | { readonly op: 'end' }

/** A pattern as instructions. */
export interface RegexProgram {
  readonly code: readonly Instruction[]
  readonly registers: number
  /** Whether a match can begin with a code point; undefined where any place will do. */
  readonly starts: ((point: number) => boolean) | undefined
  /** How many splits can be known to have failed at a place. */
  readonly known: number
}

interface State {
  readonly code: Instruction[]
  readonly canKnow: boolean
  readonly tests: Map<string, (point: number) => boolean>
  registers: number
  known: number
  /** Whether what is compiled depends on what came before: it is looked at from elsewhere, or must move on. */
  depends: boolean
  isBack: boolean
}

const MAX_INSTRUCTIONS = 8192
const MAX_STARTS = 8
const INSTRUCTIONS_A_STEP = 4

/** Compiles a pattern with so many groups. */
export function regexProgram(tree: RegexNode, groups: number): RegexProgram {
  const state: State = {
    code: [],
    canKnow: !hasSame(tree),
    tests: new Map(),
    registers: 2 * (groups + 1),
    known: 0,
    depends: false,
    isBack: false,
  }
  compile(state, tree)
  add(state, { op: 'end' })
  spend(state.code.length / INSTRUCTIONS_A_STEP)
  const starts = beginsOf(tree)?.map((char) => charTest(state.tests, char))
  return {
    ...state,
    starts: starts === undefined || starts.length > MAX_STARTS ? undefined : (point) => starts.some((takes) => takes(point)),
  }
}

function add<T extends Instruction>(state: State, instruction: T): T {
  if (state.code.length >= MAX_INSTRUCTIONS) raise('Regex failure: the pattern repeats too much')
  state.code.push(instruction)
  return instruction
}

function compile(state: State, node: RegexNode): void {
  switch (node.kind) {
    case 'char':
      add(state, { op: 'char', isBack: state.isBack, takes: charTest(state.tests, node) })
      return
    case 'same':
      add(state, { op: 'same', isBack: state.isBack, groups: node.groups, ignoresCase: node.ignoresCase })
      return
    case 'group':
      add(state, { op: 'save', register: 2 * node.number + (state.isBack ? 1 : 0) })
      compile(state, node.item)
      add(state, { op: 'save', register: 2 * node.number + (state.isBack ? 0 : 1) })
      return
    case 'all':
      for (const item of state.isBack ? node.items.toReversed() : node.items) compile(state, item)
      return
    case 'either':
      compileEither(state, node.options)
      return
    case 'repeat':
      compileRepeat(state, node)
      return
    case 'look':
      compileLook(state, node)
  }
}

function addSplit(state: State): Extract<Instruction, { op: 'split' }> {
  return add(state, { op: 'split', to: 0, orElse: 0, known: state.canKnow && !state.depends ? state.known++ : -1 })
}

function compileEither(state: State, options: readonly RegexNode[]): void {
  const jumps: { to: number }[] = []
  for (const [at, option] of options.entries()) {
    if (at === options.length - 1) {
      compile(state, option)
      break
    }
    const split = addSplit(state)
    split.to = state.code.length
    compile(state, option)
    jumps.push(add(state, { op: 'jump', to: 0 }))
    split.orElse = state.code.length
  }
  for (const jump of jumps) jump.to = state.code.length
}

function compileRepeat(state: State, { item, least, most, isLazy, groups }: RegexRepeat): void {
  const once = (): void => {
    if (groups[0] < groups[1]) add(state, { op: 'clear', from: 2 * groups[0], below: 2 * groups[1] })
    compile(state, item)
  }
  for (let time = 0; time < least; time++) once()
  const splits: Extract<Instruction, { op: 'split' }>[] = []
  const { depends } = state
  const register = canBeEmpty(item) ? state.registers++ : undefined
  for (let time = least; time < (most === Infinity ? least + 1 : most); time++) {
    const head = state.code.length
    splits.push(addSplit(state))
    if (register !== undefined) {
      add(state, { op: 'save', register })
      state.depends = true
    }
    once()
    state.depends = depends
    if (register !== undefined) add(state, { op: 'moved', register })
    if (most === Infinity) add(state, { op: 'jump', to: head })
  }
  for (const split of splits) {
    const inner = state.code.indexOf(split) + 1
    split.to = isLazy ? state.code.length : inner
    split.orElse = isLazy ? inner : state.code.length
  }
}

function compileLook(state: State, { item, isBehind, isNot, isAtomic }: RegexLook): void {
  const { depends, isBack } = state
  const look = add(state, { op: 'look', isNot, isAtomic, next: 0 })
  state.depends = true
  state.isBack = isBehind || (isAtomic && isBack)
  compile(state, item)
  add(state, { op: 'end' })
  look.next = state.code.length
  Object.assign(state, { depends, isBack })
}

/** Whether a part of a pattern can match without a character. */
export function canBeEmpty(node: RegexNode): boolean {
  if (node.kind === 'char') return false
  if (node.kind === 'same') return true
  if (node.kind === 'all') return node.items.every(canBeEmpty)
  if (node.kind === 'either') return node.options.some(canBeEmpty)
  if (node.kind === 'repeat' && node.least === 0) return true
  return (node.kind === 'look' && !node.isAtomic) || canBeEmpty(node.item)
}

function hasSame(node: RegexNode): boolean {
  if (node.kind === 'same') return true
  if (node.kind === 'all') return node.items.some(hasSame)
  if (node.kind === 'either') return node.options.some(hasSame)
  return node.kind !== 'char' && hasSame(node.item)
}

const ASCII = 128
const STEPS_A_CLASS = 32

/** Whether a code point is one that a character or a class stands for: JavaScript's own answer, kept for ASCII. */
function charTest(tests: State['tests'], char: Extract<RegexNode, { kind: 'char' }>): (point: number) => boolean {
  const key = `${char.ignoresCase ? 'i' : ''}/${char.text}`
  const known = tests.get(key)
  if (known !== undefined) return known
  spend(STEPS_A_CLASS)
  const regex = charRegex(char)
  const ascii = Array.from({ length: ASCII }, (_, point) => regex.test(String.fromCodePoint(point)))
  const test = (point: number): boolean => (point < ASCII ? ascii[point]! : regex.test(String.fromCodePoint(point)))
  tests.set(key, test)
  return test
}
