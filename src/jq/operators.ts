import { spend, spendText } from './budget.ts'
import { compareValues, equalValues } from './compare.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import type { BinaryOperator } from './syntax.ts'
import { type JqObject, type JqValue, copyObject, isObject, ownField, setField } from './value.ts'

/** What an operator makes of its two sides. */
export type Operation = (left: JqValue, right: JqValue) => JqValue

export function add(left: JqValue, right: JqValue): JqValue {
  if (typeof left === 'number' && typeof right === 'number') return left + right
  if (typeof left === 'string' && typeof right === 'string') {
    spendText(left.length + right.length)
    return left + right
  }
  if (left === null) return right
  if (right === null) return left
  if (Array.isArray(left) && Array.isArray(right)) {
    spend(1 + (left.length + right.length) / 16)
    return [...(left as readonly JqValue[]), ...(right as readonly JqValue[])]
  }
  if (isObject(left) && isObject(right)) {
    const sum = { ...left, ...right }
    spend(1)
    return sum
  }
  return raise(`${described(left)} and ${described(right)} cannot be added`)
}

export function subtract(left: JqValue, right: JqValue): JqValue {
  if (typeof left === 'number' && typeof right === 'number') return left - right
  if (Array.isArray(left) && Array.isArray(right)) {
    spend(1 + left.length * (1 + right.length / 4))
    return left.filter((item) => !right.some((other) => equalValues(item as JqValue, other as JqValue))) as readonly JqValue[]
  }
  return raise(`${described(left)} and ${described(right)} cannot be subtracted`)
}

export function multiply(left: JqValue, right: JqValue): JqValue {
  if (typeof left === 'number' && typeof right === 'number') return left * right
  if (typeof left === 'string' && typeof right === 'number') return repeat(left, right)
  if (typeof left === 'number' && typeof right === 'string') return repeat(right, left)
  if (isObject(left) && isObject(right)) return mergeDeep(left, right)
  return raise(`${described(left)} and ${described(right)} cannot be multiplied`)
}

/** A text `times` over, at least once; null where that is not above zero. */
function repeat(text: string, times: number): JqValue {
  if (Number.isNaN(times) || times <= 0) return null
  const count = Math.trunc(times - 1) + 1
  spendText(text.length * count)
  return text.repeat(count)
}

function mergeDeep(left: JqObject, right: JqObject): JqObject {
  const merged = copyObject(left)
  for (const [key, value] of Object.entries(right)) {
    spend(1)
    const before = ownField(left, key)
    setField(merged, key, before !== undefined && isObject(before) && isObject(value) ? mergeDeep(before, value) : value)
  }
  return merged
}

export function divide(left: JqValue, right: JqValue): JqValue {
  if (typeof left === 'number' && typeof right === 'number') {
    if (right === 0) raise(`${described(left)} and ${described(right)} cannot be divided because the divisor is zero`)
    return left / right
  }
  if (typeof left === 'string' && typeof right === 'string') return splitText(left, right)
  return raise(`${described(left)} and ${described(right)} cannot be divided`)
}

/** The parts of a text between separators; its code points where the separator is empty. */
export function splitText(text: string, separator: string): readonly string[] {
  if (text === '') return []
  spend(1 + text.length / 4)
  return separator === '' ? Array.from(text) : text.split(separator)
}

function modulo(left: JqValue, right: JqValue): JqValue {
  if (typeof left !== 'number' || typeof right !== 'number') {
    raise(`${described(left)} and ${described(right)} cannot be divided (remainder)`)
  }
  if (Number.isNaN(left) || Number.isNaN(right)) return Number.NaN
  const divisor = toWhole(right)
  if (divisor === 0n)
    raise(`${described(left)} and ${described(right)} cannot be divided (remainder) because the divisor is zero`)
  return Number(toWhole(left) % divisor)
}

const LARGEST = 2n ** 63n - 1n

/** A number as a whole one of 64 bits, the nearest there is. */
function toWhole(value: number): bigint {
  if (Number.isNaN(value)) return 0n
  if (Math.abs(value) >= 2 ** 63) return value < 0 ? -LARGEST - 1n : LARGEST
  return BigInt(Math.trunc(value))
}

export const operations: Readonly<Record<BinaryOperator, Operation>> = {
  '+': add,
  '-': subtract,
  '*': multiply,
  '/': divide,
  '%': modulo,
  '==': equalValues,
  '!=': (left, right) => !equalValues(left, right),
  '<': (left, right) => compareValues(left, right) < 0,
  '<=': (left, right) => compareValues(left, right) <= 0,
  '>': (left, right) => compareValues(left, right) > 0,
  '>=': (left, right) => compareValues(left, right) >= 0,
}
