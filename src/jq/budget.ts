import { MillpondError } from '../errors.ts'

/** What one run of a program may take. Runs are synchronous and one at a time, so one budget serves all of them. */
export interface Budget {
  steps: number
  depth: number
  textChars: number
  subjectChars: number
}

const unlimited = (): Budget => ({ steps: Infinity, depth: Infinity, textChars: 0x1f_ff_ff_e8, subjectChars: Infinity })
let left = unlimited()

/** Begins a run with a budget of its own; gives that of the run around it, which `endRun` takes. */
export function beginRun(budget: Readonly<Budget>): Budget {
  const outer = left
  left = { steps: budget.steps, depth: budget.depth, textChars: budget.textChars, subjectChars: budget.subjectChars }
  return outer
}

export function endRun(outer: Budget): void {
  left = outer
}

/** Takes steps from the budget: about one for each value that is looked at or made. */
export function spend(steps: number): void {
  left.steps -= steps
  if (left.steps < 0) throw new MillpondError('JQ_FAILED', 'the jq program takes more steps than it may (maxSteps)')
}

/** How many steps are left of the run's budget. */
export const stepsLeft = (): number => left.steps

/** Enters a call; `leaveCall` gives its result of `callDepth` back, after an error too. */
export function enterCall(): void {
  if (--left.depth < 0) throw new MillpondError('JQ_FAILED', 'the jq program calls itself too deeply (maxDepth)')
  spend(1)
}

export function leaveCall(): void {
  left.depth++
}

export const callDepth = (): number => left.depth

export function restoreDepth(depth: number): void {
  left.depth = depth
}

/** Checks the length of a text before it is made, and takes the steps that making it costs. */
export function spendText(chars: number): void {
  if (chars > left.textChars) {
    throw new MillpondError('JQ_FAILED', `the jq program makes a text of ${chars} characters, more than it may (maxTextChars)`)
  }
  spend(chars / CHARS_A_STEP)
}

/** Checks the length of a text that a regular expression is to run over. */
export function spendSubject(chars: number): void {
  if (chars > left.subjectChars) {
    throw new MillpondError(
      'JQ_FAILED',
      `the jq program matches a text of ${chars} characters, more than it may (maxSubjectChars)`,
    )
  }
  spend(1 + chars / CHARS_A_STEP)
}

/** Copying texts is so much cheaper than other steps. */
const CHARS_A_STEP = 32
