import * as fc from 'fast-check'

const keys = ['a', 'b', 'c', 'key', 'value']

/** Values with the keys that programs ask for; numbers are such that every way of calculating gives the same digits. */
export const jsonInputs: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    fc.constantFrom(null, true, false),
    fc.integer({ min: -5, max: 12 }),
    fc.constantFrom(0.5, 1e-7, 1e-5, -0.25, 3.75),
    fc.constantFrom('', 'a', 'b', 'ab', 'a,b', 'Abc abc', 'ü€😀', '12', '2015-03-05T23:51:47Z', '"\n\t<&\'>'),
    fc.array(tie('value'), { maxLength: 4 }),
    fc
      .uniqueArray(fc.tuple(fc.constantFrom(...keys), tie('value')), { maxLength: 4, selector: ([key]) => key })
      .map(Object.fromEntries),
  ),
})).value

const words = (text: string): string[] => text.trim().split(/\s+/u)

const literals = words('null true false 0 1 2 -1 0.5 10 "" "a" "b" "ab" "," [] {} [1,2] {a:1}')
const paths = words('. .a .b .c? .a? .[0] .[-1]? .[1:] .[:1]? .[] .[]? .. ."a" .["b"]? .a.b? .[0]?.a? first last')
const calls = [
  ...words('length keys values type not add any all reverse sort unique min max flatten tostring tojson to_entries from_entries'),
  ...words(
    'explode ascii_downcase ascii_upcase [tonumber?] empty arrays objects scalars strings numbers nulls booleans iterables',
  ),
  ...words('floor sqrt fabs utf8bytelength paths leaf_paths tostream recurse transpose isnan isinfinite isnormal infinite'),
  ...words('keys_unsorted @json @text @csv @tsv @html @uri @sh @base64 todate round ceil trunc combinations'),
  ...words('significand logb frexp modf rint'),
].concat('(values | error)', 'tojson | fromjson', '[fromdate?]', '[.[]? | numbers | gmtime]')
const calls1 = [
  ...words('map select sort_by group_by unique_by min_by max_by any all with_entries first last has contains'),
  ...words('inside startswith endswith ltrimstr rtrimstr split join getpath paths test in walk nth flatten splits IN INDEX'),
]
const infix = words('+ - * / % == != < <= > >= and or // , |')
const assigns = words('= += -= *= //=')

/** Programs of the language as text, all of them with an end. Each expression is in parentheses: precedence has a table of its own. */
export const jqPrograms: fc.Arbitrary<string> = fc.letrec<{ program: string; path: string }>((tie) => {
  const program = tie('program')
  const path = tie('path')
  return {
    path: fc.oneof(
      { maxDepth: 2, depthSize: 'small' },
      fc.constantFrom(...paths),
      fc.tuple(path, path).map(([a, b]) => `(${a} | ${b})`),
      fc.tuple(path, path).map(([a, b]) => `(${a}, ${b})`),
      fc.tuple(path, program).map(([a, f]) => `(${a} | select(${f}))`),
      fc.tuple(program, path, path).map(([c, a, b]) => `(if ${c} then ${a} else ${b} end)`),
      fc.tuple(path, path).map(([a, b]) => `(${a} // ${b})`),
      fc.tuple(path).map(([a]) => `first(${a})`),
    ),
    program: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.constantFrom(...literals),
      fc.constantFrom(...paths),
      fc.constantFrom(...calls),
      fc.tuple(fc.constantFrom(...calls1), program).map(([name, f]) => `${name}(${f})`),
      fc.tuple(program, fc.constantFrom(...infix), program).map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc.tuple(path, fc.constantFrom(...assigns), program).map(([a, op, b]) => `(${a} ${op} ${b})`),
      fc.tuple(program, program).map(([a, b]) => `(${a} | ${b})`),
      program.map((f) => `[${f}]`),
      fc.tuple(program, program).map(([a, b]) => `{a: (${a}), b: (${b})}`),
      fc.tuple(program, program).map(([k, v]) => `{((${k}) | tostring): (${v}), c: 1}`),
      fc.tuple(program, program, program).map(([c, a, b]) => `(if ${c} then ${a} else ${b} end)`),
      fc.tuple(program, program).map(([a, b]) => `[try (${a}) catch (${b})]`),
      fc.tuple(program, program).map(([a, b]) => `((${a}) as $x | ${b} | [$x, .])`),
      fc.tuple(program, program).map(([a, b]) => `((${a}) as [$x, {a: $y}] | [$x, $y, (${b})])`),
      fc.tuple(program, program).map(([a, b]) => `[(${a}) as [$x] ?// {a: $x} ?// $x | [$x, (${b})]]`),
      fc.tuple(program, program, program).map(([a, i, u]) => `(reduce (${a}) as $x (${i}; ${u} | ., $x))`),
      fc.tuple(program, program, program).map(([a, i, u]) => `[foreach (${a}) as $x (${i}; ${u}; [., $x])]`),
      fc.tuple(fc.integer({ min: 1, max: 3 }), program).map(([n, f]) => `[limit(${n}; ${f})]`),
      fc.tuple(program, program).map(([a, b]) => `(def f(g): ${b} | g; f(${a}))`),
      fc.tuple(program, program).map(([a, b]) => `(def f($x; g): [$x, g]; f(${a}; ${b}))`),
      fc.tuple(program, program).map(([a, b]) => `"x\\(${a})-\\(${b})"`),
      fc.tuple(program, program).map(([a, b]) => `(label $out | (${a}), (if ${b} then break $out else . end))`),
      // For empty texts jq 1.6 never ends.
      fc
        .tuple(fc.constantFrom('index', 'rindex', 'indices'), program)
        .map(([name, f]) => `${name}((${f}) | if . == "" then "b" else . end)`),
      program.map((f) => `[limit(4; recurse(${f}))]`),
      program.map((f) => `error((${f}) | values)`),
      path.map((a) => `[path(${a})]`),
      path.map((a) => `del(${a})`),
      // Updates with nothing are where jq 1.6 goes wrong.
      program.map((f) => `map_values(first((${f}), 0))`),
      fc.tuple(path, program).map(([a, f]) => `(${a} |= first((${f}), 0))`),
      program.map((f) => `[(${f})?]`),
      program.map((f) => `-(${f})`),
    ),
  }
}).program
