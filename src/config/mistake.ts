import { MillpondError } from '../errors.ts'

/** Where in the configuration something lies: keys and list indexes from the top. */
export type ConfigPath = readonly (string | number)[]

/** One thing that is wrong in a configuration file. */
export interface Mistake {
  readonly path: ConfigPath
  readonly line: number
  readonly column: number
  /** What is wrong and what would be right; without any secret. */
  readonly message: string
}

/** A path as it is written in messages: `local.topics["a b"].partitions`, `source.topics[2]`. */
export function pathText(path: ConfigPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[A-Za-z_][\w-]*$/u.test(step)) text += text === '' ? step : `.${step}`
    else text += `[${JSON.stringify(step)}]`
  }
  return text
}

/** A mistake as a line: `12:3  http.port: must be a whole number from 0 to 65535, not "80a"`. */
export function mistakeText({ path, line, column, message }: Mistake): string {
  const subject = pathText(path)
  return `${line}:${column}  ${subject === '' ? message : `${subject}: ${message}`}`
}

/** All mistakes of a file as one error. */
export function configInvalid(file: string, mistakes: readonly Mistake[]): MillpondError {
  const sorted = mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const count = sorted.length === 1 ? '1 mistake' : `${sorted.length} mistakes`
  const lines = sorted.map((mistake) => `  ${mistakeText(mistake)}`)
  return new MillpondError('CONFIG_INVALID', `${file} has ${count}:\n${lines.join('\n')}`, {
    details: { file, mistakes: sorted.map((mistake) => ({ ...mistake, path: pathText(mistake.path) })) },
  })
}

/** What one rule over several keys found. */
export interface Finding {
  readonly path: ConfigPath
  readonly message: string
}
