import { MillpondError, isMillpondError } from '../errors.ts'
import { type Budget, beginRun, endRun } from './budget.ts'
import { firstOf } from './change.ts'
import { type Code, NO_ENV } from './code.ts'
import { compileTree } from './compile.ts'
import { shortened } from './json-text.ts'
import { sizeOf } from './output-size.ts'
import { parseProgram } from './parser.ts'
import { isRaised } from './raised.ts'
import { type JqValue, isTruthy } from './value.ts'

/** What programs may take. They come from outside: whatever they do, they end. */
export interface JqLimits {
  /** How long the text of a program can be. */
  readonly maxProgramChars: number
  /** How many steps one run can take, and compiling: about one for each value looked at or made, or 32 characters of text. */
  readonly maxSteps: number
  /** How deeply functions of the program can call themselves. */
  readonly maxDepth: number
  readonly maxOutputs: number
  /** How much all outputs of a run can hold: characters of texts and keys, and eight for each other value. */
  readonly maxOutputChars: number
  /** How long a text can be that a program makes. */
  readonly maxTextChars: number
  /** How long a text can be that a regular expression runs over. */
  readonly maxSubjectChars: number
}

const defaultLimits: JqLimits = {
  maxProgramChars: 16_384,
  maxSteps: 1_000_000,
  maxDepth: 500,
  maxOutputs: 10_000,
  maxOutputChars: 16_777_216,
  maxTextChars: 16_777_216,
  maxSubjectChars: 65_536,
}

export interface JqOptions extends Partial<JqLimits> {
  /** What `now` gives, in milliseconds since 1970. */
  readonly nowMs?: () => number
}

/** A compiled program. Values in and out are what JSON.parse gives, and are never changed. Every run is synchronous. */
export interface JqProgram {
  /**
   * The first output; undefined where there is none. What would come after it is not run.
   * @throws MillpondError `JQ_FAILED` where the program raises an error or takes more than it may.
   */
  readonly first: (value: JqValue) => JqValue | undefined
  /** Every output. An error is thrown after the outputs before it. */
  readonly all: (value: JqValue) => Iterable<JqValue>
  /** Whether the first output is there and neither false nor null. */
  readonly test: (value: JqValue) => boolean
}

/**
 * Compiles a program of the jq language; docs/jq.md says what there is.
 * @throws MillpondError `JQ_INVALID` that says line, column and what was expected.
 */
export function compileJq(program: string, options: JqOptions = {}): JqProgram {
  const limits: JqLimits = { ...defaultLimits, ...options }
  if (program.length > limits.maxProgramChars) {
    throw new MillpondError('JQ_INVALID', `the jq program has ${program.length} characters, more than ${limits.maxProgramChars}`)
  }
  const budget = {
    steps: limits.maxSteps,
    depth: limits.maxDepth,
    textChars: limits.maxTextChars,
    subjectChars: limits.maxSubjectChars,
  }
  const code = compiled(program, budget, options.nowMs ?? Date.now)
  const first = (value: JqValue, maxChars: number): JqValue | undefined => {
    const outer = beginRun(budget)
    try {
      const output = firstOf(code, value, NO_ENV)
      if (output !== undefined && maxChars !== Infinity) sizeOf(output, maxChars)
      return output
    } catch (error) {
      throw translated(error)
    } finally {
      endRun(outer)
    }
  }
  return {
    first: (value) => first(value, limits.maxOutputChars),
    all: (value) => outputs(code, value, limits, budget),
    test: (value) => {
      const output = first(value, Infinity)
      return output !== undefined && isTruthy(output)
    },
  }
}

function compiled(program: string, budget: Budget, nowMs: () => number): Code {
  const outer = beginRun(budget)
  try {
    return compileTree(parseProgram(program), program, nowMs)
  } catch (error) {
    if (isMillpondError(error, 'JQ_INVALID') || (!isOverflow(error) && !isMillpondError(error))) throw error
    throw new MillpondError('JQ_INVALID', 'the jq program is too large or too deeply nested', { cause: error })
  } finally {
    endRun(outer)
  }
}

/** Errors of the language, and the end of the stack, as errors of ours. */
function translated(error: unknown): unknown {
  if (isRaised(error)) {
    const { raised } = error
    const message = typeof raised === 'string' ? raised : `${shortened(raised, SHOWN_CHARS)} (not a string)`
    return new MillpondError('JQ_FAILED', `the jq program failed: ${message.slice(0, SHOWN_CHARS)}`)
  }
  if (!isOverflow(error)) return error
  return new MillpondError('JQ_FAILED', 'the jq program nests values or calls too deeply', { cause: error })
}

const SHOWN_CHARS = 200

const isOverflow = (error: unknown): boolean => error instanceof RangeError

function* outputs(code: Code, value: JqValue, limits: JqLimits, budget: Budget): Generator<JqValue, void, undefined> {
  const { found, failure } = collected(code, value, limits, budget)
  yield* found
  if (failure !== undefined) throw failure
}

function collected(
  code: Code,
  value: JqValue,
  limits: JqLimits,
  budget: Budget,
): { readonly found: readonly JqValue[]; readonly failure?: unknown } {
  const found: JqValue[] = []
  let left = limits.maxOutputChars
  const outer = beginRun(budget)
  try {
    code.each(value, undefined, NO_ENV, (output) => {
      if (found.length >= limits.maxOutputs) {
        throw new MillpondError('JQ_FAILED', `the jq program has more than ${limits.maxOutputs} outputs (maxOutputs)`)
      }
      left -= sizeOf(output, left)
      found.push(output)
      return false
    })
    return { found }
  } catch (error) {
    return { found, failure: translated(error) }
  } finally {
    endRun(outer)
  }
}
