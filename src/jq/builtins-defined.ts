import { type Code, NO_ENV } from './code.ts'
import { define, functionCallCode } from './compile-call.ts'
import { parseDefinitionText } from './parser.ts'
import type { Context } from './scope.ts'

/** Builtins that are said shortest in the language itself, with the names by which SQL knows them and others. */
const texts: Readonly<Record<string, string>> = {
  'INDEX/2': 'def INDEX(rows; key): reduce rows as $row ({}; .[$row | key | tostring] = $row);',
  'INDEX/1': 'def INDEX(key): INDEX(.[]; key);',
  'IN/1': 'def IN(values): . as $value | any(values; . == $value);',
  'IN/2': 'def IN(some; values): any(some; IN(values));',
  'JOIN/2': 'def JOIN($index; key): [.[] | [., $index[key]]];',
  'JOIN/3': 'def JOIN($index; rows; key): rows | [., $index[key]];',
  'JOIN/4': 'def JOIN($index; rows; key; joined): rows | [., $index[key]] | joined;',
  'dateadd/2': 'def dateadd(unit; n): . + n;',
  'datesub/2': 'def datesub(unit; n): . - n;',
}

export const definedNames = (): readonly string[] => Object.keys(texts)

/** The code of a call of one of these; undefined where there is none of this name. */
export function definedCode(name: string, args: readonly Code[], context: Context): Code | undefined {
  if (!Object.hasOwn(texts, name)) return undefined
  const scope = define(parseDefinitionText(texts[name]!), undefined, context)
  if (scope.bound.kind !== 'function') return undefined
  const { function: target } = scope.bound
  const given = args.map((code, at) => ({ code, isValue: target.takesValues[at]!, passed: undefined }))
  return functionCallCode(target, given, () => NO_ENV)
}
