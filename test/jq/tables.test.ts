import { beforeAll, describe, expect, it } from 'vitest'
import { compileJq } from '../../src/jq/jq.ts'
import { jsonText } from '../../src/jq/json-text.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { type RealJq, openRealJq, realJqMissing } from './real-jq.ts'
import { guarded, outputsOf } from './values.ts'

/** Programs with their input: what jq 1.6 itself says of them is what is right. */
const shared: readonly (readonly [program: string, input?: unknown])[] = [
  // Precedence and syntax.
  ...([
    ['1 + 2 * 3 - 4 / 2 % 3'],
    ['1 - 2 - 3, 8 / 4 / 2'],
    ['-1 * 2, -(1, 2) + 3'],
    ['1, 2 | . + 1'],
    ['false // null // 3 // 4'],
    ['true and false or true'],
    ['1 < 2 and 2 == 2'],
    ['.a = 1 | .b = 2', {}],
    ['.a // "x" | length', {}],
    ['1 as $x | 2 as $y | [$x, $y, $x]'],
    ['1 + (2 as $x | $x * 2)'],
    ['def f: 1; def g: f + 1; def f: 10; g, f'],
    ['def f($a; $b): $a * 10 + $b; f(1, 2; 3, 4)'],
    ['def f(g): def h: g; [h, h]; f(1, 2)'],
    ['def f(x): x | x; 2 | f(. * .)'],
    ['def f($a): a; 5 | f(. + 1)'],
    ['def fac: if . <= 1 then 1 else . * (. - 1 | fac) end; [range(8) | fac]'],
    ['def down: ., (if . > 0 then . - 1 | down else empty end); [3 | down]'],
    ['[.[] | if . then "yes" elif . == null then "none" else "no" end]', [true, false, null, 0]],
    ['.a."b".c, ."a"["b"]["c"], .["a"].b."c"', { a: { b: { c: 1 } } }],
    ['.a[1:][0], .a[-1:], .a[:-1]', { a: [1, 2, 3] }],
    ['{a: 1, "b": 2, ("c" + "d"): 3, @base64 "e": 4, "f\\(1)": 5}'],
    ['{a, "b"}', { a: 1, b: 2 }],
    ['{if: 1, then: 2, and: 3, reduce: 4, __loc__: 5}'],
    ['1 as $v | {$v, w: ($v + 1), x: $v | -.}'],
    ['{a: (1, 2), b: (3, 4)}'],
    ['{(("a", "b")): (1, 2)}'],
    ['"a\\tb\\u00e9\\ud83d\\ude00\\"\\\\\\/" | ., length'],
    ['"\\(1 + 1) and \\("x" + "y") and \\("in\\("ner")")"'],
    ['"\\(1, 2)-\\(3, 4)"'],
    ['@base64 "x\\(1 + 2)y", @json "v: \\([1, "a"])", @uri "q=\\("ä &")"'],
    ['1 # a comment\n + 1 # another'],
    ['try error("x") catch ., try error({a: 1}) catch .a'],
    ['[.[] | try tonumber catch "none"]', ['1', '2.50', '1e3']],
    ['.a?, .[0]?, .[]?, ."a"?, .a[1:]?', 'text'],
    ['[.[] | .a?]', [{ a: 1 }, 2, { b: 1 }]],
    ['try (1, error("x"), 3) catch .'],
    ['label $a | label $b | 1, break $a, 2'],
    ['[label $out | .[] | ., (if . == 2 then break $out else empty end)]', [1, 2, 3]],
    ['[.[] as [$a, {b: $c, $d}] | [$a, $c, $d]]', [[1, { b: 2, d: 3 }], [4]]],
    ['. as {a: $x, "b": [$y], ("c", "d"): $z} | [$x, $y, $z]', { a: 1, b: [2], c: 3, d: 4 }],
    ['. as {$a: [$b]} | [$a, $b]', { a: [1] }],
    ['[.[] as [$a] ?// {a: $a} ?// $a | [$a]]', [[1], { a: 2 }, 3]],
    ['[[1, 2], {a: 3}] | .[] as [$a] ?// {a: $a} | {$a}'],
    ['[[3]] | [.[] as [$a] ?// [$b] | if $a != null then error("err: \\($a)") else {$a, $b} end]'],
    [
      'reduce .[] as [$a, $b] (0; . + $a * $b)',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['reduce (1, 2, 3) as $x ((0, 10); . + $x, . * $x)'],
    ['[foreach (1, 2, 3) as $x ((0, 10); . + $x, . - $x; [$x, .])]'],
    ['[foreach .[] as {a: $a} (0; . + $a)]', [{ a: 1 }, { a: 2 }]],
    ['$__loc__.file'],
    ['..', [[1], { a: [2] }]],
    ['[..?]', [[1]]],
  ] as const),
  // Paths and assignments.
  ...([
    ['[paths], [paths(type == "number")], [leaf_paths]', { a: [1, { b: 2 }], c: null }],
    ['path(..), path(.a[].b?), path(.a | select(.b)), path(first(.a, .b))', { a: [{ b: 1 }], b: 2 }],
    ['path(if .a then .b else .c end), path(.x // .y), path(.a[1:]), path(getpath(["q", "r"]))', { a: [1] }],
    ['[path(.a | recurse(if type == "array" then .[] else empty end))]', { a: [1, [2]] }],
    ['[path(limit(2; .[]))], [path(first(.[] | select(. > 1)))]', [1, 2, 3]],
    ['try path(1) catch ., try path(.a | tojson | .b) catch .', { a: 1 }],
    ['[path(foreach .[] as $x (0; . + 1; $x))], [path(foreach (1, 2) as $x (.; .))]', [[1], [2]]],
    [
      'def most(n; f): label $out | foreach f as $x (n; . - 1; $x, if . <= 0 then break $out else empty end); [path(most(2; .[]))], (most(1; .[]) = 9)',
      [1, 2, 3],
    ],
    ['(try path(reduce ("a", "b") as $k (.; .[$k])) catch .), path(reduce .a as $x (.; .))', { a: { b: 1 } }],
    ['[path(reduce (1, 2) as $x (.; .a))], [path(foreach ("a", "b") as $k (.; .[$k]))]', null],
    ['path(.a | 1 | 0), path(1 | {a: 2} | {}), path(.a | -(-.))?', { a: 0 }],
    ['try path(1) catch ., try path(1 | .a) catch ., try path(1 | .[]) catch ., path(.a | 1)?', { a: 1 }],
    ['(try path([1 | .a]) catch .), (try path(-(1 | .a)) catch .), (try path(map(1 | .a)) catch .)', { a: 0 }],
    ['(try path(.a and .b) catch .), path(.a or empty), path(.a | . and true)', { a: true, b: true }],
    ['try path(try error("x") catch .) catch ., try path(-.) catch .', 0],
    ['. as $all | path(.[0:] | $all | .[0]), (try path(.[1:] | $all | .[0]) catch .)', [1, 2]],
    ['path(1 | getpath(["a"]))?, (try path(1 | getpath(["a"]) | .b) catch .), path(getpath(["a", "b"]) | .c)', null],
    ['setpath([-0.5]; 9), delpaths([[-0.5]]), delpaths([[-1.5]]), (try setpath([nan]; 1) catch .)', [1, 2]],
    ['getpath(["a", "b"]), getpath(["x", "y"]), getpath([])', { a: { b: 1 } }],
    ['try getpath(["a", "b", "c"]) catch .', { a: { b: 1 } }],
    ['setpath([]; 1), setpath(["a", 0, "b"]; 2)', null],
    ['try setpath([0]; 1) catch ., try setpath("a"; 1) catch .', { a: 1 }],
    ['delpaths([["a", "b"], ["c"], ["d", 0]])', { a: { b: 1, x: 2 }, c: 3, d: [4, 5] }],
    ['del(.[1, 3]), del(.[-1]), del(.[1:3]), del(.[]), del(.[] | select(. > 2)), del(.)', [1, 2, 3, 4]],
    ['del(.a, .a.b), del(.b.c?), del(.[])', { a: { b: 1 }, x: 2 }],
    ['try del(.[0].a) catch ., try delpaths([["a"]]) catch .', [1]],
    ['.a += 1, .b -= 1, .a *= 3, .a /= 2, .a %= 2, .c //= "x", .a //= 9', { a: 5, b: 2 }],
    ['(.a, .b) = (1, 2)', {}],
    ['.[] += 1, (.[] | select(. > 1)) |= . * 10, .[1:] = ["x"], .[1:] |= map(. + 1), .[5] = 6', [1, 2, 3]],
    ['.[-1] = 9, (try (.[-9] = 1) catch .)', [1, 2]],
    ['.a.b.c |= 1, .a[2] = 1', null],
    ['.a[1:3] = ["x"], .a[:1] |= length', { a: [[1, 2], 2, 3, 4] }],
    ['.. |= (if type == "number" then . + 1 else . end)', [[1], { a: 2 }]],
    ['to_entries, with_entries(.value += 1), (to_entries | from_entries)', { a: 1, b: 2 }],
    ['from_entries', [{ name: 'a', value: 1 }, { Key: 'b', Value: 2 }, { key: 'c' }, { Name: 'd', value: null }]],
    ['map_values(. + 1), map(. + 1)', { a: 1, b: 2 }],
    ['walk(if type == "array" then sort else . end)', [3, [2, 1], { a: [5, 4] }]],
    [
      '[tostream], fromstream(tostream), [1 | truncate_stream([[0], 1], [[1, 0], 2], [[1, 0]], [[1]])]',
      { a: [1, { b: 2 }], c: [] },
    ],
  ] as const),
  // Builtins.
  ...([
    [
      'sort, sort_by(type), group_by(type), unique, min, max',
      [null, true, false, 0, -1, 'b', 'a', [], [0], {}, { a: 1 }, { b: 0 }, { a: 0 }],
    ],
    ['sort', ['ｆ', '😀', 'é', 'z', '', 'Z', '￿']],
    ['sort, min, max, unique', [{ a: 1, b: 2 }, { a: 1 }, { b: 1 }, { a: 0, b: 9 }]],
    [
      'sort_by(.a, -.b), group_by(.a), unique_by(.a), min_by(.b), max_by(.b)',
      [
        { a: 2, b: 1 },
        { a: 1, b: 3 },
        { a: 1, b: 2 },
      ],
    ],
    ['[nan] | sort, (nan < nan), (nan == nan), ([nan, 1] | min)'],
    ['[limit(null, false, true, -1; 1, 2)], [limit("a"; empty)], (try limit("a"; 1) catch .), [limit(0.5; 1, 2)]'],
    ['(try nth(null; 1) catch .), (try nth("a"; 1) catch .), (try nth([]; 1) catch .), nth(1.5; 1, 2, 3, 4)'],
    ['transpose, (try ({a: [1]} | transpose) catch .), (try ({} | transpose) catch .)', { a: null, b: 0, c: '' }],
    ['[.[] | modf | tojson], [infinite, -infinite | modf | tojson]', [-1, 0, -2.5, 3, -0.25]],
    ['[limit(3; range(10))], [first(range(5; 10))], [nth(2; range(10))], [last(range(4))], first(empty)'],
    ['[range(5)], [range(2; 4)], [range(0; 10; 3)], [range(5; 0; -2)], [range(0, 1; 3, 4)], [range(1; 0)]'],
    ['[.[] | tostring], [.[] | tojson]', [1, 'a', null, [1], { a: 1 }, 1.5]],
    ['[.[] | length]', [null, 'é😀', [1, 2], { a: 1 }, -3]],
    ['indices(1), indices([1, 2]), index(2), rindex(1)', [1, 2, 1, 2]],
    ['indices(", "), index("c"), rindex(", ")', 'a,b, cd, efg'],
    ['contains("bar"), contains("x"), inside("foobarbaz")', 'foobar'],
    ['contains({a: [1], b: {c: "x"}}), contains({z: 1})', { a: [1, 2], b: { c: 'xyz' } }],
    ['[splits(", *")], split(", *"; null), split(",")', 'a, b,c'],
    ['ltrimstr("a"), rtrimstr("c"), ltrimstr(1), startswith("ab"), endswith("bc"), ascii_upcase', 'abc'],
    ['[.[] | ltrimstr("x")]', [1, null, 'xa']],
    ['explode, (explode | implode), utf8bytelength, @json, .[1:2], .[-1:]', 'aé😀'],
    ['flatten, flatten(1), add, transpose, reverse, combinations(2)?', [[1, [2, [3]]], [4]]],
    [
      '[combinations], [[0, 1] | combinations(2)]',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['join("-"), join(", ")', ['a', 1, null, true]],
    ['any, all, any(. > 1), all(. > 0), any(.[]; . == 3), all(.[]; . != 3)', [1, 2]],
    ['[.[] | not], [.[] | type], [.[] | values], [.[] | scalars]', [null, false, 1, 'a', []]],
    ['in({"a": 1}), has("a")?', 'a'],
    [
      'INDEX(.id), INDEX(.[]; .name), IN(.[]; {id: 1, name: "a"})',
      [
        { id: 1, name: 'a' },
        { id: 2, name: 'b' },
      ],
    ],
    ['[JOIN({"1": "x", "2": "y"}; .id | tostring)]', [{ id: 1 }, { id: 2 }, { id: 3 }]],
    [
      '[while(. < 100; . * 2)], [recurse(if . < 3 then . + 1 else empty end)], until(. > 100; . * 3), [limit(3; repeat(. * 2))]',
      1,
    ],
    ['[recurse(. * .; . < 20)]', 2],
    ['@text, @json, @csv, @tsv, @sh', [1, 'a "b"', null, true, 'x\ty']],
    ['@html, @uri, @base64, (@base64 | @base64d)', '<a href="x">\'&é</a>'],
    ['[.[] | @base64d]', ['YQ', 'YWI=', 'YWJj', '4pyT']],
    ['try @base64d catch ., try @csv catch ., try @sh catch .', { a: 1 }],
    ['fromjson', '{"a":[1,2.50,"x"]}'],
    ['bsearch(1), bsearch(0), bsearch(2), bsearch(4)', [1, 3]],
    ['isempty(empty), ([splits("a")] | length), ascii_downcase', 'bAb'],
    ['getpath(["a", 0, "b"])', null],
    ['. * {a: {c: 2}, d: 1}, . + {a: 1}', { a: { b: 1 }, x: 0 }],
    ['"x" * 3, "x" * 0, "x" * 1.5, ("a,b" / ","), ([1, 2, 1] - [1])'],
    ['[5 % 3, -5 % 3, 5 % -3, 5.9 % 2.1, 3 % 1e10]'],
    ['0 as $z | try (1 / $z) catch ., try (1 % $z) catch ., try ({} - 1) catch ., try ([] + 1) catch .'],
    ['[.[] | floor, sqrt, fabs, round, ceil, trunc, significand, logb, exp2, cbrt]', [4, 0.25, 2.5, 8]],
    ['[pow(2, 3; 1, 2)], [.[] | frexp, modf], ldexp(2; 3), scalb(1; 2), nearbyint?, drem(10; 3)', [10, 0.5, -3.75]],
    ['[atan2(1; 2), fmin(1; 2), fmax(1; 2), fma(2; 3; 4), hypot(3; 4), fdim(5; 3), copysign(1; -2), nextafter(1; 2)]'],
    ['[.[] | rint, nearbyint, round]', [0.5, 1.5, 2.5, -0.5, -1.5]],
    ['[infinite, -infinite, nan] | tojson, (.[0] | isinfinite), (.[2] | isnan), ([.[] | isnormal])'],
    ['[1e-5, 1e17, 1e18, 100000000000000000000, 0.00012, 1.5e300, 1e1000, -0, 3.0, 1e15, 123456789012] | tojson'],
  ] as const),
  // Regular expressions.
  ...([
    ['test("b"), test("B"), test("B"; "i"), test(["B", "i"]), test("^a.c$"), test("a c"; "x")', 'abc'],
    ['[match("a|b"; "g") | [.offset, .length, .string]]', 'xaéb😀a'],
    ['match("(?<first>\\\\w)(\\\\d)?(?<last>z)?")', 'é1'],
    ['capture("(?<y>\\\\d+)-(?<m>\\\\d+)"), [scan("\\\\d+")], [scan("(\\\\d)(\\\\d)")]', '2015-03'],
    ['sub("(?<x>a)"; "<\\(.x)>"), gsub("a"; "b"), gsub("(?<l>[a-z])"; "\\(.l | ascii_upcase)"), gsub("A"; "z"; "i")', 'banana'],
    ['[.[] | test("^b"), test("a$"), test("a.b"), test("a.b"; "s"), test("a.b"; "p")]', ['a\nb', 'a\n', 'xa\nb']],
    ['[.[] | test("\\\\d"), test("\\\\w+$"), test("\\\\s"), test("\\\\h"), test("\\\\bé")]', ['é', '٣', 'a b', '_', '-']],
    [
      '[.[] | test("[[:alpha:]]"), test("[[:digit:]-]"), test("[^a-c]"), test("[\\\\w&&[^a]]"), test("[]a]")]',
      ['a', '1', '-', 'ä', ']'],
    ],
    ['[match("a++b|(?>a|ab)c"; "g").string], test("(?i)AB"), test("a(?i:B)"), test("\\\\Aaab\\\\z")', 'aab'],
    ['[match("(a)(?:b)(c)?"; "g") | .captures | map(.name, .offset)]', 'ab abc'],
    ['[match("a{2}|b{,1}c|d{2,}|\\\\Q.*\\\\E"; "g").string]', 'aabcddd.*b{,1}c'],
    [
      '["[]", "[^]", "[]a", "[", "[a", "[z-a]", "[\\n-\\t]", "[z-a\\n]", "[a-\\\\d]", "a{2,1}", "[[:foo:]]", "[]]"] as $all | $all[] as $re | try test($re) catch .',
      'a',
    ],
    ['try test("(") catch "bad", try test("a"; "q") catch ., try test(1) catch ., try test("a") catch .', 'x'],
    ['[match("\\\\x61|\\\\u00e9|\\\\t"; "g").offset]', 'aé\t'],
  ] as const),
  // Times.
  ...([
    ['todate, gmtime, (gmtime | mktime), (gmtime | todate), strftime("%A, %B %d, %Y"), todateiso8601', 1425599621],
    ['gmtime', 1425599621.678],
    ['strftime("%a %b %e %j %U %W %V %G %g %u %w %C %y %I %l %k %M %p %D %F %T %R %r %c %x %X %n%t%% %s %h %Z %z")', 1425599621],
    ['[.[] | strftime("%G-W%V-%u %j %U %W")]', [1104537600, 1230768000, 1293840000, 1451606400, 0, -86400, 4102444800]],
    ['fromdate, strptime("%Y-%m-%dT%H:%M:%SZ"), (strptime("%Y-%m-%dT%H:%M:%SZ") | mktime)', '2015-03-05T23:51:47Z'],
    ['strptime("%d %b %Y %I:%M:%S %p")', '05 Mar 2015 11:51:47 PM'],
    ['strptime("%A, %B %d, %Y") | mktime', 'Thursday, March 05, 2015'],
    ['strptime("%D %T"), try strptime("%Y") catch .', '03/05/15 10:20:30'],
    ['try fromdate catch ., try todate catch ., try mktime catch .', 'no date'],
    ['try mktime catch ., try strftime("%Y") catch .', [1, 2]],
  ] as const),
]

describe.skipIf(realJqMissing())('what jq itself says of', () => {
  let jq: RealJq
  let answers: unknown[]
  beforeAll(async () => {
    jq = await openRealJq()
    const program = `[${shared.map(([program], at) => `(.[${at}] | ${guarded(`(${program}\n)`)})`).join(', ')}]`
    const { lines } = await jq(program, [shared.map(([, input = null]) => input)])
    answers = JSON.parse(lines[0]!) as unknown[]
  }, GET_LIMIT_MS)

  it.each(shared.map(([program, input], at) => ({ program, input, at })))('$program', ({ program, input = null, at }) => {
    expect(outputsOf(guarded(`(${program}\n)`), input)).toEqual([answers[at]])
  })
})

describe('numbers', () => {
  it.each([
    [1e-5, '1e-05'],
    [1e17, '1e+17'],
    [123_456_789_012_345_680_000, '123456789012345680000'],
    [-0, '-0'],
    [0.1 + 0.2, '0.30000000000000004'],
    [Number.MAX_VALUE * 2, '1.7976931348623157e+308'],
  ])('%d is written %s', (value, text) => {
    expect(jsonText(value)).toBe(text)
  })
})

describe('now', () => {
  it('is what the caller says', () => {
    expect(compileJq('now | todate', { nowMs: () => 1_425_599_621_678 }).first(null)).toBe('2015-03-05T23:53:41Z')
  })
})
