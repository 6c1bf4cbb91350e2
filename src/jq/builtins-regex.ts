import { spendText } from './budget.ts'
import { type Code, type Env, constant, outputsOf, several, single } from './code.ts'
import { type CodeFunctions, valueCode } from './functions.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import { type FoundMatch, type RegexMatch, matchesOf, testRegex } from './regex.ts'
import { type JqValue, kindOf, setField } from './value.ts'

const NO_FLAGS = constant(null)

/** Builtins over regular expressions. Where there is one argument, it is the expression or an array of it and the flags. */
export const regexFunctions: CodeFunctions = {
  'test/1': ([of]) => valueCode((input, given) => testRegex(input, ...expressionOf(given)), [of!]),
  'test/2': ([of, flags]) => valueCode((input, pattern, set) => testRegex(input, pattern, set), [of!, flags!]),
  'match/1': ([of]) => each([of!], (input, [given]) => matched(input, ...expressionOf(given!))),
  'match/2': ([of, flags]) => each([of!, flags!], (input, [pattern, set]) => matched(input, pattern!, set!)),
  'capture/1': ([of]) => each([of!], (input, [given]) => matched(input, ...expressionOf(given!)).map(namedOf)),
  'capture/2': ([of, flags]) => each([of!, flags!], (input, [pattern, set]) => matched(input, pattern!, set!).map(namedOf)),
  'scan/1': ([of]) => each([of!], (input, [pattern]) => matchesOf(input, pattern!, null, true).map(scanned)),
  'scan/2': ([of, flags]) => each([of!, flags!], (input, [pattern, set]) => matchesOf(input, pattern!, set!, true).map(scanned)),
  'split/2': ([of, flags]) => valueCode((input, pattern, set) => partsOf(input, pattern, set), [of!, flags!]),
  'splits/1': ([of]) => each([of!], (input, [pattern]) => partsOf(input, pattern!, null)),
  'splits/2': ([of, flags]) => each([of!, flags!], (input, [pattern, set]) => partsOf(input, pattern!, set!)),
  'sub/2': ([of, by]) => substituteCode(of!, by!, NO_FLAGS, false),
  'sub/3': ([of, by, flags]) => substituteCode(of!, by!, flags!, false),
  'gsub/2': ([of, by]) => substituteCode(of!, by!, NO_FLAGS, true),
  'gsub/3': ([of, by, flags]) => substituteCode(of!, by!, flags!, true),
}

/** The outputs of a function that gives several for its input and values of its arguments. */
function each(args: readonly Code[], call: (input: JqValue, values: readonly JqValue[]) => readonly JqValue[]): Code {
  const lists = valueCode((input, ...values) => call(input, values), args)
  return several((input, env, emit) =>
    lists.each(input, undefined, env, (list) => (list as readonly JqValue[]).some((value) => emit(value))),
  )
}

function expressionOf(given: JqValue): readonly [JqValue, JqValue] {
  if (typeof given === 'string') return [given, null]
  if (Array.isArray(given) && given.length > 0) return [given[0] as JqValue, (given[1] ?? null) as JqValue]
  return raise(`${kindOf(given)} not a string or array`)
}

const matched = (input: JqValue, pattern: JqValue, flags: JqValue): readonly JqValue[] =>
  matchesOf(input, pattern, flags, false).map(({ match }) => ({
    ...match,
    captures: match.captures.map((capture) => ({ ...capture })),
  }))

/** The named captures of a match as an object. */
function namedOf(match: JqValue): JqValue {
  const named: Record<string, JqValue> = {}
  for (const { name, string } of (match as unknown as RegexMatch).captures) if (name !== null) setField(named, name, string)
  return named
}

const scanned = ({ match: { captures, string } }: FoundMatch): JqValue =>
  captures.length > 0 ? captures.map((capture) => capture.string) : string

function partsOf(input: JqValue, pattern: JqValue, flags: JqValue): readonly string[] {
  const matches = matchesOf(input, pattern, flags, true)
  const text = input as string
  let from = 0
  const parts = matches.map(({ start, end }) => {
    const part = text.slice(from, start)
    from = end
    return part
  })
  return [...parts, text.slice(from)]
}

/** `sub` and `gsub`: where what is put in has several outputs, so has the whole, the first of all with the first of all. */
function substituteCode(of: Code, by: Code, flags: Code, isGlobal: boolean): Code {
  const run = (input: JqValue, env: Env, pattern: JqValue, set: JqValue): readonly JqValue[] => {
    const matches = matchesOf(input, pattern, set, isGlobal)
    const text = input as string
    if (matches.length === 0) return [text]
    const results: string[] = []
    let from = 0
    for (const { match, start, end } of matches) {
      const gap = text.slice(from, start)
      from = end
      for (const [at, insert] of outputsOf(by, namedOf(match as unknown as JqValue), env).entries()) {
        if (typeof insert !== 'string') raise(`${described(gap)} and ${described(insert)} cannot be added`)
        spendText(gap.length + insert.length)
        results[at] = (results[at] ?? '') + gap + insert
      }
    }
    const rest = text.slice(from)
    if (results.length === 0) return [text]
    return results.map((result) => {
      spendText(result.length + rest.length)
      return result + rest
    })
  }
  const [ofOne, flagsOne] = [of.one, flags.one]
  if (ofOne !== undefined && flagsOne !== undefined && by.one !== undefined) {
    return single((input, env) => {
      const pattern = ofOne(input, env)
      const set = flagsOne(input, env)
      return pattern === undefined || set === undefined ? undefined : run(input, env, pattern, set)[0]
    })
  }
  return several((input, env, emit) =>
    of.each(input, undefined, env, (pattern) =>
      flags.each(input, undefined, env, (set) => run(input, env, pattern, set).some((result) => emit(result))),
    ),
  )
}
