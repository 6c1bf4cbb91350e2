import type { ValueFunction, ValueFunctions } from './functions.ts'
import { isNormal } from './builtins-path.ts'
import { described } from './json-text.ts'
import { raise } from './raised.ts'
import type { JqValue } from './value.ts'

/** A function of the C library over the input, or over the arguments where there are any. */
function math(calculate: (...numbers: number[]) => JqValue): ValueFunction {
  return (input, ...args) => {
    const numbers = args.length === 0 ? [input] : args
    for (const number of numbers) if (typeof number !== 'number') raise(`${described(number)} number required`)
    return calculate(...(numbers as number[]))
  }
}

/** Builtins over numbers. */
export const mathFunctions: ValueFunctions = {
  'infinite/0': () => Infinity,
  'nan/0': () => Number.NaN,
  'isinfinite/0': (input) => typeof input === 'number' && Math.abs(input) === Infinity,
  'isnan/0': (input) => typeof input === 'number' && Number.isNaN(input),
  'isnormal/0': (input) => typeof input === 'number' && isNormal(input),
  'isfinite/0': (input) => typeof input === 'number' && Math.abs(input) !== Infinity,
  ...Object.fromEntries(
    (
      ['acos', 'acosh', 'asin', 'asinh', 'atan', 'atanh', 'cbrt', 'ceil', 'cos', 'cosh', 'exp', 'expm1', 'floor', 'log'] as const
    ).map((name) => [`${name}/0`, math((x) => Math[name](x))]),
  ),
  ...Object.fromEntries(
    (['log10', 'log1p', 'log2', 'sin', 'sinh', 'sqrt', 'tan', 'tanh', 'trunc'] as const).map((name) => [
      `${name}/0`,
      math((x) => Math[name](x)),
    ]),
  ),
  'fabs/0': math((x) => Math.abs(x)),
  'abs/0': math((x) => Math.abs(x)),
  'exp2/0': math((x) => 2 ** x),
  'exp10/0': math((x) => 10 ** x),
  'pow10/0': math((x) => 10 ** x),
  'round/0': math((x) => Math.sign(x) * Math.round(Math.abs(x))),
  'rint/0': math((x) => halfEven(x)),
  'nearbyint/0': math((x) => halfEven(x)),
  'significand/0': math((x) => (x === 0 || !Number.isFinite(x) ? x : x / 2 ** exponentOf(x))),
  'logb/0': math((x) => (x === 0 ? -Infinity : Number.isFinite(x) ? exponentOf(x) : Math.abs(x))),
  'gamma/0': math((x) => logGamma(x)),
  'lgamma/0': math((x) => logGamma(x)),
  'lgamma_r/0': math((x) => [logGamma(x), gammaSign(x)]),
  'tgamma/0': math((x) => gamma(x)),
  'frexp/0': math((x) => {
    if (x === 0 || !Number.isFinite(x)) return [x, 0]
    const exponent = exponentOf(x) + 1
    return [scaled(x, -exponent), exponent]
  }),
  'modf/0': math((x) => [Math.abs(x) === Infinity ? 0 / x : x % 1, Math.trunc(x)]),
  'pow/2': math((x, y) => (x === 1 || y === 0 ? 1 : x ** y)),
  'atan2/2': math((x, y) => Math.atan2(x, y)),
  'copysign/2': math((x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x))),
  'drem/2': math((x, y) => remainder(x, y)),
  'remainder/2': math((x, y) => remainder(x, y)),
  'fdim/2': math((x, y) => (x > y ? x - y : x <= y ? 0 : Number.NaN)),
  'fmax/2': math((x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.max(x, y))),
  'fmin/2': math((x, y) => (Number.isNaN(x) ? y : Number.isNaN(y) ? x : Math.min(x, y))),
  'fmod/2': math((x, y) => x % y),
  'hypot/2': math((x, y) => Math.hypot(x, y)),
  'ldexp/2': math((x, y) => scaled(x, Math.trunc(y))),
  'scalb/2': math((x, y) => scaled(x, y)),
  'scalbln/2': math((x, y) => scaled(x, Math.trunc(y))),
  'nextafter/2': math((x, y) => nextAfter(x, y)),
  'nexttoward/2': math((x, y) => nextAfter(x, y)),
  'fma/3': math((x, y, z) => x * y + z),
}

/** The exponent of a number in base 2, of one digit before the point. */
function exponentOf(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value)))
  const digit = Math.abs(scaled(value, -exponent))
  if (digit >= 2) return exponent + 1
  return digit < 1 ? exponent - 1 : exponent
}

/** A number times a power of two, in steps that neither overflow nor lose digits on the way. */
function scaled(value: number, exponent: number): number {
  let [result, left] = [value, Math.max(-2200, Math.min(2200, exponent))]
  for (; left > 1000; left -= 1000) result *= 2 ** 1000
  for (; left < -1000; left += 1000) result *= 2 ** -1000
  return result * 2 ** left
}

function halfEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

function remainder(value: number, divisor: number): number {
  if (!Number.isFinite(value) || divisor === 0 || Number.isNaN(divisor)) return Number.NaN
  if (!Number.isFinite(divisor)) return value
  const size = Math.abs(divisor)
  const rest = Math.abs(value) % (size * 2)
  const least = rest * 2 > size ? (rest > size && (rest - size) * 2 >= size ? rest - size * 2 : rest - size) : rest
  return Math.sign(value) * least
}

function nextAfter(value: number, towards: number): number {
  if (Number.isNaN(value) || Number.isNaN(towards)) return Number.NaN
  if (value === towards) return towards
  if (value === 0) return towards > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE
  const bits = new BigInt64Array(1)
  const numbers = new Float64Array(bits.buffer)
  numbers[0] = value
  bits[0]! += towards > value === value > 0 ? 1n : -1n
  return numbers[0]
}

// Lanczos' approximation with g = 7 and nine terms, as in "Numerical Recipes"; right to 13 digits or more.
const LANCZOS = [
  0.999_999_999_999_809_93, 676.520_368_121_885_1, -1259.139_216_722_402_8, 771.323_428_777_653_13, -176.615_029_162_140_59,
  12.507_343_278_686_905, -0.138_571_095_265_720_12, 9.984_369_578_019_571_6e-6, 1.505_632_735_149_311_6e-7,
]

function logGamma(value: number): number {
  if (value <= 0 && Number.isInteger(value)) return Infinity
  if (!Number.isFinite(value)) return Math.abs(value)
  if (value < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * value))) - logGamma(1 - value)
  const x = value - 1
  const sum = LANCZOS.reduce((sum, term, at) => (at === 0 ? term : sum + term / (x + at)), 0)
  const t = x + 7.5
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(sum)
}

const gammaSign = (value: number): number =>
  (value < 0 && Math.floor(value) % 2 !== 0 && !Number.isInteger(value)) || Object.is(value, -0) ? -1 : 1

function gamma(value: number): number {
  if (value === -Infinity || (value < 0 && Number.isInteger(value))) return Number.NaN
  if (value === 0) return 1 / value
  if (Number.isInteger(value) && value < 171) {
    let product = 1
    for (let factor = 2; factor < value; factor++) product *= factor
    return product
  }
  return gammaSign(value) * Math.exp(logGamma(value))
}
