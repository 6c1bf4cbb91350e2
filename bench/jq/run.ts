import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileJq } from '../../src/jq/jq.ts'
import type { JqValue } from '../../src/jq/value.ts'

/** What is used of @michaelhomer/jqjs, which has no types. */
type CompileJqjs = (program: string) => (input: unknown) => Iterator<unknown> & Iterable<unknown>
const jqjs: string = '@michaelhomer/jqjs'
const { compile: compileJqjs } = (await import(jqjs)) as { compile: CompileJqjs }

const DOCUMENTS = 100_000
const ROUNDS = 3

interface Document {
  readonly id: number
  readonly a: { readonly b: string; readonly c: number }
  readonly tags: readonly string[]
  readonly name: string
  readonly amount: number
}

const documents: readonly Document[] = Array.from({ length: DOCUMENTS }, (_, id) => ({
  id,
  a: { b: id % 3 === 0 ? 'x' : 'y', c: id },
  tags: ['q', 'r', 's'],
  name: `user ${id}`,
  amount: id * 1.5,
}))

/** Programs, and what says the same in plain JavaScript. */
const cases: readonly (readonly [program: string, plain: (document: Document) => unknown])[] = [
  ['.a.b == "x"', ({ a }) => a.b === 'x'],
  ['.a.b == "x" and .amount > 1000', ({ a, amount }) => a.b === 'x' && amount > 1000],
  ['{id, n: .name, b: .a.b}', ({ id, name, a }) => ({ id, n: name, b: a.b })],
  ['[.tags[] | ascii_upcase]', ({ tags }) => tags.map((tag) => tag.toUpperCase())],
  ['select(.a.c % 2 == 0) | .id', ({ a, id }) => (a.c % 2 === 0 ? id : undefined)],
  ['.name | test("^user 9")', ({ name }) => name.startsWith('user 9')],
  ['any(.tags[]; . == "r")', ({ tags }) => tags.includes('r')],
  ['.a.c += 1', (document) => ({ ...document, a: { ...document.a, c: document.a.c + 1 } })],
  ['def double: . * 2; .a.c | double', ({ a }) => a.c * 2],
  [String.raw`"\(.name)-\(.id)"`, ({ name, id }) => `${name}-${id}`],
]

/** Nanoseconds a document, of the fastest round. */
function nanoseconds(act: (document: Document) => unknown): number {
  let best = Infinity
  let seen = 0
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now()
    for (const document of documents) if (act(document) !== undefined) seen++
    best = Math.min(best, performance.now() - start)
  }
  if (seen < 0) throw new Error('nothing was seen')
  return Math.round((best / DOCUMENTS) * 1e6)
}

/** The first output of the other implementation; not a number where it fails. */
function ofJqjs(program: string): number {
  try {
    const run = compileJqjs(program)
    return nanoseconds((document) => run(document).next().value)
  } catch {
    return Number.NaN
  }
}

/** jq itself over the same documents as a file, less what it takes to read and end: parsing is a part of it. */
function ofBinary(program: string, path: string): number {
  try {
    const start = performance.now()
    execFileSync('jq', ['-c', program, path], { maxBuffer: 1 << 28 })
    return Math.round(((performance.now() - start) / DOCUMENTS) * 1e6)
  } catch {
    return Number.NaN
  }
}

/** How many of the examples of jq's manual give what they should. `range(0; 10; -1)` never ends in jqjs. */
function examplesOfJqjs(): string {
  const path = new URL('../../test/fixtures/jq/manual-1.6.json', import.meta.url)
  const examples = JSON.parse(readFileSync(path, 'utf8')) as readonly { program: string; input: unknown; outputs: unknown[] }[]
  const passed = examples.filter(({ program, input, outputs }) => {
    if (program.includes('; -1)')) return false
    try {
      return JSON.stringify([...compileJqjs(program)(input)]) === JSON.stringify(outputs)
    } catch {
      return false
    }
  })
  return `${passed.length} of ${examples.length}`
}

const say = (text: string) => void process.stdout.write(`${text}\n`)
const folder = mkdtempSync(join(tmpdir(), 'millpond-jq-'))
try {
  const path = join(folder, 'documents.json')
  writeFileSync(path, documents.map((document) => JSON.stringify(document)).join('\n'))
  say(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}; ns a document, first output, ${DOCUMENTS} documents`,
  )
  say('| program | plain JavaScript | compileJq, test | compileJq, first | jqjs | jq 1.6, parsing and writing too |')
  say('| --- | ---: | ---: | ---: | ---: | ---: |')
  for (const [program, plain] of cases) {
    const compiled = compileJq(program)
    const test = nanoseconds((document) => compiled.test(document as unknown as JqValue))
    const first = nanoseconds((document) => compiled.first(document as unknown as JqValue))
    const figures = [nanoseconds(plain), test, first, ofJqjs(program), ofBinary(program, path)]
    say(`| \`${program.replaceAll('|', String.raw`\|`)}\` | ${figures.join(' | ')} |`)
  }
  say(`examples of jq's manual that jqjs passes: ${examplesOfJqjs()}`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
