import { describe, expect, it } from 'vitest'
import { outputsOf } from './values.ts'

// docs/jq.md lists them.
describe('where jq 1.6 is wrong', () => {
  it.each<readonly [program: string, input: unknown, outputs: readonly unknown[], because: string]>([
    ['[limit(0; 1, 2)]', null, [[]], 'no outputs are none'],
    ['try error(null) catch .', null, [null], 'null is an error like others'],
    ['(.[] | select(. > 1)) |= empty', [1, 2, 3], [[1]], 'what is taken out does not shift what comes after'],
    ['map_values(empty)', [1, 2, 3], [[]], 'the same'],
    [
      '[.[] | (tonumber? // "none") | if . == "none" then error("later") else . end]?',
      ['1', 'x'],
      [],
      'an error after `?` is not its own',
    ],
    ['try ((.a?) | error("after")) catch .', {}, ['after'], 'the same for try'],
    ['isempty(1, error("x"))', null, [false], 'the first output decides'],
    ['[last(empty)], [path(last(.[]))], [path(nth(1; .[]))]', [1, 2], [[], [[1]], [[1]]], 'the last of no outputs is none'],
    [
      'any(true, false), all(if . == 1 then empty else null end)',
      [1, 2],
      [true, false],
      'one output decides, whatever is beside it',
    ],
    [
      'walk(if type == "number" then select(. > 1), 9 else . end)',
      { a: 1, b: 2, c: [3] },
      [{ a: 9, b: 2, c: [3, 9] }],
      'the first counts',
    ],
    ['walk(if type == "string" then empty else . end)', { a: 1, b: 'x' }, [{ a: 1 }], 'none leaves the key out'],
    [
      '[reduce .[] as $x (0, 1; . + $x)], [foreach .[] as $x (0, 1; . + $x)]',
      [1, 2],
      [
        [3, 4],
        [1, 3, 2, 4],
      ],
      'the input is not lost',
    ],
    [
      '[1, 0 | try (1 / 0) catch "no", try (0 / 0) catch "no"]',
      null,
      [['no', 'no', 'no', 'no']],
      'an error is raised when it happens',
    ],
    ['[bsearch(1, 2)]', [], [[-1, -1]], 'each value is looked for'],
    ['[path(. as [$a, {b: $c}] | .[$a])]', [1, { b: 2 }], [[[1]]], 'what is taken apart is no part of the path'],
    ['indices("é"), index("b")', 'aéb', [[1], 2], 'places are counted in code points, not in bytes'],
    ['indices("aa")', 'aaa', [[0, 1]], 'places may overlap, as in arrays'],
    ['indices("")', 'abc', [[]], 'which never ends in 1.6'],
    ['[match(""; "g").offset]', 'ab', [[0, 1, 2]], 'the end is a place too'],
    ['gsub("^"; ">"), gsub(""; "-")', 'ab', ['>ab', '-a-b-'], 'which never ends in 1.6'],
    ['[gsub("a"; "b", "c")]', 'aa', [['bb', 'cc']], 'each output makes one text'],
    ['.a?//"x"', {}, ['x'], '`?` and `//` need no space between them'],
    ['if . then 1 end', false, [false], 'nothing is done otherwise'],
  ])('%s of %j gives %j: %s', (program, input, outputs) => {
    expect(outputsOf(program, input)).toEqual(outputs)
  })
})
