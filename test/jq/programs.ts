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
const paths = [
  ...words('. .a .b .c? .a? .[0] .[-1]? .[1:] .[:1]? .[] .[]? .. ."a" .["b"]? .a.b? .[0]?.a? first last'),
  ...words('recurse empty numbers iterables getpath(["a"]) getpath(["a","b"])'),
]
const calls = [
  ...words('length keys values type not add any all reverse sort unique min max flatten tostring tojson to_entries from_entries'),
  ...words(
    'explode ascii_downcase ascii_upcase [tonumber?] empty arrays objects scalars strings numbers nulls booleans iterables',
  ),
  ...words('floor sqrt fabs utf8bytelength paths leaf_paths tostream recurse transpose isnan isinfinite isnormal infinite'),
  ...words('keys_unsorted @json @text @csv @tsv @html @uri @sh @base64 todate round ceil trunc combinations'),
  ...words('significand logb frexp modf rint fromstream(tostream) [implode?] nan'),
].concat('(values | error)', '(@base64 | @base64d)', '(tojson | fromjson)', '[fromdate?]', '[.[]? | numbers | gmtime]')
const calls1 = [
  ...words('map select sort_by group_by unique_by min_by max_by later_any later_all with_entries first has contains'),
  ...words('inside startswith endswith ltrimstr rtrimstr split join getpath paths test in nth flatten IN INDEX'),
  ...words('later_walk later_last later_map_values later_isempty later_index later_rindex later_indices delpaths range'),
]
/** To jq, what stands at a path is the same text only where it is the same in memory. */
const WITHOUT_TEXTS = 'select([.. | strings] == [])'
const infix = words('+ - * / % == != < <= > >= and or // , |')
const assigns = words('= += -= *= //=')

/** What jq 1.6 calculates when it compiles a program; `1 / 0` is no program to it, and `0 / 0` is NaN. */
const isCalculated = (text: string): boolean => /^(?:null|[\d\s.()+*/-])+$/u.test(text)

const divided = (a: string, b: string): string =>
  isCalculated(a) && isCalculated(b) ? `([${a}, ${b}] | .[0] / .[1])` : `(${a} / ${b})`

/**
 * Programs of the language as text, all of them with an end. Each expression is in parentheses: precedence has a table of its own. Names that
 * begin with `later_` are explained in corrected.ts.
 */
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
      path.map((a) => `first(${a})`),
      path.map((a) => `[${a}]`),
      path.map((a) => `-(${a})`),
      fc.constantFrom(...literals.filter((text) => !text.startsWith('"'))),
      fc.tuple(path, fc.constantFrom('and', 'or'), path).map(([a, op, b]) => `(${WITHOUT_TEXTS} | ${a} ${op} ${b})`),
      fc.tuple(path, path, path).map(([f, i, u]) => `(${WITHOUT_TEXTS} | . as $in | reduce ($in | ${f}) as $x (${i}; ${u}))`),
      fc.tuple(path, path, path).map(([f, i, u]) => `(${WITHOUT_TEXTS} | . as $in | foreach ($in | ${f}) as $x (${i}; ${u}))`),
      fc
        .tuple(path, path, path, path)
        .map(([f, i, u, e]) => `(${WITHOUT_TEXTS} | foreach (${f}) as $x (first(${i}); ${u}; (${e}, $x)))`),
      fc.tuple(path, program).map(([a, k]) => `(${a})[${k}]?`),
      fc.tuple(path, program, program).map(([a, from, to]) => `(${a})[${from}:${to}]?`),
      fc.tuple(fc.integer({ min: 0, max: 3 }), path).map(([n, a]) => `later_limit(${n}; ${a})`),
      fc.tuple(path, path, program).map(([a, b, c]) => `(label $out | ${a}, (if ${c} then break $out else ${b} end))`),
      path.map((a) => `limit(4; recurse(${a}))`),
      fc.tuple(program, path).map(([f, a]) => `((${f}) as $x | ${a})`),
      fc.tuple(path, path).map(([a, b]) => `(def f(g): ${a} | g; f(${b}))`),
    ),
    program: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      fc.constantFrom(...literals),
      fc.constantFrom(...paths),
      fc.constantFrom(...calls),
      fc.tuple(fc.constantFrom(...calls1), program).map(([name, f]) => `${name}(${f})`),
      fc
        .tuple(program, fc.constantFrom(...infix), program)
        .map(([a, op, b]) => (op === '/' ? divided(a, b) : `(${a} ${op} ${b})`)),
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
      // jq 1.6 forgets the input of a source after the first of several first values.
      fc.tuple(program, program, program).map(([a, i, u]) => `(reduce (${a}) as $x (first(${i}); ${u} | ., $x))`),
      fc.tuple(program, program, program).map(([a, i, u]) => `[foreach (${a}) as $x (first(${i}); ${u}; [., $x])]`),
      fc.tuple(program, program, program).map(([a, i, u]) => `(. as $in | reduce ($in | ${a}) as $x (${i}; ${u} | ., $x))`),
      fc.tuple(program, program, program).map(([a, i, u]) => `[. as $in | foreach ($in | ${a}) as $x (${i}; ${u}; [., $x])]`),
      fc.tuple(fc.integer({ min: 0, max: 3 }), program).map(([n, f]) => `[later_limit(${n}; ${f})]`),
      fc.tuple(program, program).map(([a, b]) => `(def f(g): ${b} | g; f(${a}))`),
      fc.tuple(program, program).map(([a, b]) => `(def f($x; g): [$x, g]; f(${a}; ${b}))`),
      fc.tuple(program, program).map(([a, b]) => `"x\\(${a})-\\(${b})"`),
      fc.tuple(program, program).map(([a, b]) => `(label $out | (${a}), (if ${b} then break $out else . end))`),
      fc.tuple(program, program).map(([a, b]) => `[limit(4; range(${a}; ${b}))]`),
      fc.tuple(program, program).map(([a, b]) => `setpath(${a}; ${b})`),
      fc.tuple(fc.constantFrom('any', 'all'), program).map(([name, f]) => `${name}(first((${f}), null))`),
      // What an empty text leaves between its places lacks the end in jq 1.6.
      program.map((f) => `splits((${f}) | if . == "" then "b" else . end)`),
      program.map((f) => `[limit(4; recurse(${f}))]`),
      program.map((f) => `error((${f}) | values)`),
      path.map((a) => `[path(${a})]`),
      path.map((a) => `del(${a})`),
      program.map((f) => `walk(first((${f}), 0))`),
      program.map((f) => `last(null, (${f}))`),
      program.map((f) => `(first((${f}), 0) as $x | arrays | bsearch($x))`),
      // Updates with nothing are where jq 1.6 goes wrong.
      program.map((f) => `map_values(first((${f}), 0))`),
      fc.tuple(path, program).map(([a, f]) => `(${a} |= first((${f}), 0))`),
      fc.tuple(path, program).map(([a, f]) => `later_update(${a}; ${f})`),
      program.map((f) => `[(${f})?]`),
      program.map((f) => `-(${f})`),
    ),
  }
}).program
