import { MillpondError, isMillpondError } from '../errors.ts'
import { withBudget } from './budget.ts'
import { firstOf } from './change.ts'
import { type Code, NO_ENV } from './code.ts'
import { compileTree } from './compile.ts'
import { jsonText, shortened } from './json-text.ts'
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
  /** How long a text can be that a regular expression runs over: JavaScript's need exponential time for some. */
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
  const code = withBudget(budget, () => compiled(program, options.nowMs ?? Date.now))
  const run = <T>(act: () => T): T => withBudget(budget, () => translated(act))
  const first = (value: JqValue) => firstOf(code, value, NO_ENV)
  return {
    first: (value) =>
      run(() => {
        const output = first(value)
        if (output !== undefined) measure(output, limits.maxOutputChars)
        return output
      }),
    all: (value) => outputs(code, value, limits, run),
    test: (value) => {
      const output = run(() => first(value))
      return output !== undefined && isTruthy(output)
    },
  }
}

function compiled(program: string, nowMs: () => number): Code {
  try {
    return compileTree(parseProgram(program), program, nowMs)
  } catch (error) {
    if (isMillpondError(error, 'JQ_INVALID')) throw error
    if (!isOverflow(error) && !isMillpondError(error)) throw error
    throw new MillpondError('JQ_INVALID', 'the jq program is too large or too deeply nested', { cause: error })
  }
}

/** Errors of the language, and the end of the stack, as errors of ours. */
function translated<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (isRaised(error)) {
      const { raised } = error
      const message = typeof raised === 'string' ? raised : `${shortened(raised, SHOWN_CHARS)} (not a string)`
      throw new MillpondError('JQ_FAILED', `the jq program failed: ${message.slice(0, SHOWN_CHARS)}`)
    }
    if (isOverflow(error))
      throw new MillpondError('JQ_FAILED', 'the jq program nests values or calls too deeply', { cause: error })
    throw error
  }
}

const SHOWN_CHARS = 200

const isOverflow = (error: unknown): boolean => error instanceof RangeError

function* outputs(
  code: Code,
  value: JqValue,
  limits: JqLimits,
  run: <T>(act: () => T) => T,
): Generator<JqValue, void, undefined> {
  const found: JqValue[] = []
  let failure: unknown
  try {
    run(() => {
      let left = limits.maxOutputChars
      code.each(value, undefined, NO_ENV, (output) => {
        if (found.length >= limits.maxOutputs) {
          throw new MillpondError('JQ_FAILED', `the jq program has more than ${limits.maxOutputs} outputs (maxOutputs)`)
        }
        left -= measure(output, left)
        found.push(output)
        return false
      })
    })
  } catch (error) {
    failure = error
  }
  yield* found
  if (failure !== undefined) throw failure
}

/** How deeply outputs can be nested, so that whoever writes them as JSON does not run out of stack. */
const MAX_OUTPUT_DEPTH = 1000
const CHARS_A_VALUE = 8

/** How much a value holds; looks no further than `most`. */
function measure(value: JqValue, most: number, depth = 0): number {
  if (typeof value === 'string') return checked(value.length + 2, most)
  if (typeof value !== 'object' || value === null) return checked(CHARS_A_VALUE, most)
  if (depth > MAX_OUTPUT_DEPTH)
    throw new MillpondError('JQ_FAILED', `an output of the jq program is nested more than ${MAX_OUTPUT_DEPTH} deep`)
  let chars = CHARS_A_VALUE
  for (const key in value) {
    if (!Array.isArray(value)) chars += key.length
    chars += measure((value as Readonly<Record<string, JqValue>>)[key]!, most - chars, depth + 1)
  }
  return checked(chars, most)
}

function checked(chars: number, most: number): number {
  if (chars > most)
    throw new MillpondError('JQ_FAILED', 'the outputs of the jq program are larger than they may be (maxOutputChars)')
  return chars
}

/** A value as jq writes it. */
export const jqText = (value: JqValue): string => jsonText(value)
