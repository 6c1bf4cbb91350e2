import { MillpondError } from '../errors.ts'
import { codePoints } from './text.ts'

/** The error for a program that is none: says line and column, both from 1, columns in code points. */
export function invalidProgram(text: string, at: number, message: string): MillpondError {
  const { line, column } = placeOf(text, at)
  return new MillpondError('JQ_INVALID', `the jq program is not right at line ${line}, column ${column}: ${message}`, {
    details: { line, column },
  })
}

/** Line and column of an offset, both from 1. */
export function placeOf(text: string, at: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: codePoints(before.at(-1)!) + 1 }
}
