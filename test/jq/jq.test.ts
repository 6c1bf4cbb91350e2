import { describe, expect, it } from 'vitest'
import { compileJq } from '../../src/jq/jq.ts'
import type { JqValue } from '../../src/jq/value.ts'
import { outputsOf } from './values.ts'

const failing = (code: string, message: RegExp) => expect.objectContaining({ code, message: expect.stringMatching(message) })

describe('a program', () => {
  it('gives its first output and runs no further', () => {
    expect(compileJq('1, error("later")').first(null)).toBe(1)
    expect(compileJq('empty').first(null)).toBeUndefined()
  })

  it('gives all outputs, and the error after those before it', () => {
    const seen: JqValue[] = []
    expect(() => {
      for (const value of compileJq('1, 2, error("now")').all(null)) seen.push(value)
    }).toThrow(failing('JQ_FAILED', /: now$/u))
    expect(seen).toEqual([1, 2])
  })

  it.each([
    ['.a == 1', true],
    ['.b', false],
    ['empty', false],
    ['null, true', false],
    ['0', true],
  ])('tests its first output: %s is %s', (program, holds) => {
    expect(compileJq(program).test({ a: 1 })).toBe(holds)
  })

  it('never changes what it gets', () => {
    const input = { a: [1, { b: 2 }], c: { d: 3 } }
    const before = structuredClone(input)
    outputsOf('.a[1].b = 9, (.c.d |= . + 1), del(.a[0]), (.a += [5]), sort_by(.)?, (.c * {d: 1}), walk(.), to_entries', input)
    expect(input).toEqual(before)
  })

  it('can be run while another one runs', () => {
    const inner = compileJq('. * 2')
    const outer = compileJq('.[]')
    const doubled: unknown[] = []
    for (const value of outer.all([1, 2, 3])) doubled.push(inner.first(value))
    expect(doubled).toEqual([2, 4, 6])
  })

  it('knows the line that it asks for', () => {
    expect(outputsOf('1\n| $__loc__', null)).toEqual([{ file: '<top-level>', line: 2 }])
  })

  it('sees nothing of the machine', () => {
    expect(outputsOf('$ENV, env, env.PATH, input_filename, input_line_number', null)).toEqual([{}, {}, null, null, 0])
  })
})

describe('a program that is none', () => {
  it.each([
    ['1 +', /line 1, column 4: a value expected instead of the end of the program/u],
    ['.a\n  | foo(1)', /line 2, column 5: foo\/1 is not defined/u],
    ['"é" | $x', /line 1, column 7: \$x is not defined/u],
    ['{a b}', /line 1, column 4: "\}" or "," .* expected instead of "b"/u],
    ['{(1): 2}', /column 2: 1 cannot be a key/u],
    ['[1, 2', /column 6: "\]" or an operator expected instead of the end/u],
    ['if . then 1', /"end" of "if" expected/u],
    ['"abc', /column 1: the text that begins here is not closed/u],
    [String.raw`"a\(1"`, /column 3: "\\\(" is not closed|not closed/u],
    [String.raw`"\x"`, /is no escape that JSON knows/u],
    ['break $x', /there is no label \$x/u],
    ['@what', /@what is no format/u],
    ['1 == 2 == 3', /== cannot follow an operator of its kind/u],
    ['. as [a] | 1', /"\$", "\[" or "\{" of a pattern expected/u],
    ['1 ~ 2', /"~" is not understood/u],
    ['reduce .[] as $x (0)', /";" after the first value of reduce/u],
    ['import "a" as a; 1', /modules cannot be loaded/u],
    ['input', /input\/0 is left out: a program sees one value/u],
    ['debug', /left out/u],
    ['halt', /left out/u],
    ['def f(x): x; f', /f\/0 is not defined/u],
  ])('%j is told so', (program, message) => {
    expect(() => compileJq(program)).toThrow(failing('JQ_INVALID', message))
  })

  it('is not one without any text: that gives its input', () => {
    expect(outputsOf(' # nothing', 1)).toEqual([1])
  })

  it('ends with an error however it is built', () => {
    const outcome = (program: string): unknown => {
      try {
        return typeof compileJq(program).first(null)
      } catch (error) {
        return error
      }
    }
    const built = ['('.repeat(9000), '['.repeat(9000), `${'1+'.repeat(8000)}1`, '.a'.repeat(8000), `${'-'.repeat(9000)}1`]
    for (const program of built) {
      const ended = outcome(program)
      expect(['number', 'object']).toContain(typeof ended === 'string' ? ended : 'object')
      expect(['JQ_INVALID', 'JQ_FAILED', undefined]).toContain((ended as { code?: string }).code)
      expect(ended).not.toBeInstanceOf(RangeError)
    }
    expect(() => compileJq(`"${'x'.repeat(20_000)}"`)).toThrow(failing('JQ_INVALID', /characters/u))
  })
})

describe('what a program may take', () => {
  it.each([
    ['[range(1e9)]', /maxSteps/u],
    ['range(1e9) | empty', /maxSteps/u],
    ['repeat(1) | empty', /maxSteps/u],
    ['last(repeat(1))', /maxSteps/u],
    ['0 | [recurse(. + 1)]', /maxSteps/u],
    ['0 | until(false; . + 1)', /maxSteps/u],
    ['[limit(1e9; repeat(1))]', /maxSteps/u],
    ['def f: f; f', /maxDepth/u],
    ['def f: 1 + f; f', /maxDepth/u],
    ['def f: def g: f; g; f', /maxDepth/u],
    ['def f(g): f(g | g); f(.)', /maxDepth/u],
    ['"a" * 1e9', /maxTextChars/u],
    ['reduce range(60) as $i ("a"; . + .)', /maxTextChars|maxSteps/u],
    ['reduce range(60) as $i ([0]; . + .)', /maxSteps/u],
    ['reduce range(60) as $i ([0]; [., .]) | tojson', /maxSteps|maxTextChars/u],
    ['reduce range(60) as $i ([0]; [., .])', /maxOutputChars/u],
    ['reduce range(60) as $i ([0]; [., .]) | flatten', /maxSteps/u],
    ['reduce range(60) as $i ([0]; [., .]) | [..] | length', /maxSteps/u],
    ['[reduce range(60) as $i ([0]; [., .])] | . == [reduce range(60) as $i ([0]; [., .])]', /maxSteps/u],
    ['reduce range(100000) as $i (0; [.])', /deep|maxSteps/u],
    ['reduce range(100000) as $i (0; [.]) | tojson', /deep|maxSteps|Exceeds depth/u],
    ['null | .[1e9] = 1', /too large/u],
    ['[range(100)] | [combinations(100)]', /maxSteps|iterate/u],
    ['[[range(100)] | combinations(9)]', /maxSteps/u],
    ['[range(100000)] | sort_by(-.) | length', /maxSteps/u],
    ['("a" * 70000) | test("(a+)+$")', /maxSubjectChars/u],
    ['test("a" * 5000)', /too long/u],
    ['@base64 "\\("a" * 16000000)"', /maxTextChars/u],
  ])('ends %s', (program, message) => {
    expect(() => [...compileJq(program).all('x'.repeat(3) as JqValue)]).toThrow(failing('JQ_FAILED', message))
  })

  it('can be set', () => {
    expect(() => compileJq('[range(100)]', { maxSteps: 50 }).first(null)).toThrow(failing('JQ_FAILED', /maxSteps/u))
    expect(() => [...compileJq('range(5)', { maxOutputs: 3 }).all(null)]).toThrow(failing('JQ_FAILED', /more than 3 outputs/u))
    expect(() => compileJq('"abcdef"', { maxOutputChars: 4 }).first(null)).toThrow(failing('JQ_FAILED', /maxOutputChars/u))
    expect(compileJq('def f: if . == 0 then 0 else . - 1 | f end; f', { maxDepth: 100 }).first(90)).toBe(0)
  })

  it('is anew for each run', () => {
    const program = compileJq('[range(100)] | length', { maxSteps: 300 })
    for (let run = 0; run < 20; run++) expect(program.first(null)).toBe(100)
  })

  it('is not given back by errors that are caught', () => {
    const program = compileJq('[range(1e6) | try error("x") catch .] | length')
    expect(() => program.first(null)).toThrow(failing('JQ_FAILED', /maxSteps/u))
  })

  it('lets functions call themselves 500 deep where they have one output, 200 deep whatever they do', () => {
    const deep = compileJq('def f: if . <= 0 then 0 else 1 + (. - 1 | f) end; f')
    expect(deep.first(490)).toBe(490)
    const wide = compileJq('def f: if . <= 0 then 0 else (. - 1 | f | . + 1), empty end; [f]')
    expect(wide.first(200)).toEqual([200])
    const nested = compileJq('def f: if . <= 0 then "x" else (. - 1 | {a: [f]} | .a[0]) end; f')
    expect(nested.first(200)).toBe('x')
  })
})

describe('hostile keys and values', () => {
  const hostile = JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2, "toString": 3, "hasOwnProperty": 4}') as JqValue

  it('are data like others', () => {
    expect(outputsOf('.__proto__, .constructor, .toString, (keys | length), has("__proto__"), .hasOwnProperty', hostile)).toEqual(
      [{ polluted: 1 }, 2, 3, 4, true, 4],
    )
  })

  it('are not there where they are not', () => {
    const asked =
      '[.__proto__, .constructor, .["toString"], .valueOf, has("__proto__"), has("constructor"), .a.__proto__?, ."__proto__".x]'
    expect(outputsOf(asked, { a: 1 })).toEqual(
      [[null, null, null, null, false, false, null]].map((row) => [...row.slice(0, 6), null]),
    )
  })

  it('are set as data, and reach no prototype', () => {
    const made = compileJq(
      '.__proto__ = {x: 1} | .["constructor"] = 2, {"__proto__": {y: 1}}, ([["__proto__", 1]] | map({(.[0]): .[1]}) | add), ({} | setpath(["__proto__", "z"]; 1)), ({} * {"__proto__": {"q": 1}}), ([{key: "__proto__", value: 1}] | from_entries), (. as {__proto__: $p} | {$p})',
    )
    for (const value of made.all({})) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect((value as Record<string, unknown>)['x']).toBeUndefined()
    }
    expect(outputsOf('{"__proto__": 1} | keys, .__proto__, del(.__proto__)', null)).toEqual([['__proto__'], 1, {}])
    expect(({} as Record<string, unknown>)['z']).toBeUndefined()
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])('names no function %s', (name) => {
    expect(() => compileJq(name)).toThrow(failing('JQ_INVALID', /is not defined/u))
    expect(() => compileJq(`@${name}`)).toThrow(failing('JQ_INVALID', /is no format/u))
    expect(() => compileJq(`$${name}`)).toThrow(failing('JQ_INVALID', /is not defined/u))
  })
})
