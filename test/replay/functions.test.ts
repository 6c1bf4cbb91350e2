import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runReplay } from '../../src/replay/replay.ts'
import { describeFunction, openFunction } from '../../src/wiring/functions.ts'
import { createMemorySink, laneOf, openScene } from './archives.ts'

const never = new AbortController().signal
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString())

describe('a replay through a function', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-function-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  const functionFile = async (source: string, name = 'change.ts') => {
    const path = join(folder, name)
    await writeFile(path, source)
    return path
  }

  it('sends what the function makes of each message, counts what it leaves out, and names what it fails on', async () => {
    const path = await functionFile(`
      export default (message: { text(): string; position: number }) => {
        if (message.position % 10 === 3) return null
        if (message.position % 10 === 7) throw new Error('not this one')
        return { value: message.text().toUpperCase(), headers: { kind: 'new' } }
      }`)
    await using scene = await openScene([laneOf('orders', '0', 50)])
    await scene.plan({
      query: { topic: 'orders' },
      target: { kind: 'local', topic: 'new' },
      options: { function: await describeFunction(path), headerRemap: { set: { from: 'archive' } }, marks: false },
    })
    const sink = createMemorySink()
    const { job } = await runReplay('job-1', { ...scene, sink, openFunction, nowMs: Date.now }, never)
    const expected = Array.from({ length: 50 }, (_, i) => i).filter((position) => ![3, 7].includes(position % 10))
    expect(sink.positions('orders', '0')).toEqual(expected)
    const [first] = sink.writes.flatMap(({ messages }) => messages)
    expect(text(first!.value)).toBe('VALUE 0')
    expect(text(first!.key)).toBe('key 0')
    expect(first!.headers.map(({ name, value }) => [name, text(value)])).toEqual([
      ['kind', 'new'],
      ['from', 'archive'],
    ])
    expect(job).toMatchObject({ state: 'done', counts: { read: 50, delivered: 40, failed: 5 } })
    expect(job.failures.map(({ position, reason }) => [position, reason])).toEqual(
      [7, 17, 27, 37, 47].map((position) => [position, 'function: Error: not this one']),
    )
  })

  it('goes on behind what it left out', async () => {
    const path = await functionFile('export default () => null', 'none.mjs')
    await using scene = await openScene([laneOf('orders', '0', 30), laneOf('orders', '1', 20)])
    const options = { function: await describeFunction(path) }
    await scene.plan({ query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' }, options })
    const sink = createMemorySink()
    const { job } = await runReplay('job-1', { ...scene, sink, openFunction, nowMs: Date.now }, never)
    expect(sink.writes).toEqual([])
    expect(job).toMatchObject({ state: 'done', counts: { read: 50, delivered: 0, failed: 0 } })
    expect(job.parts.map(({ nextPosition }) => nextPosition)).toEqual([30, 20])
  })

  it('fails where the file is not the one that the job was made with', async () => {
    const path = await functionFile('export default (message) => message', 'one.mjs')
    await using scene = await openScene([laneOf('orders', '0', 30)])
    const options = { function: await describeFunction(path) }
    await scene.plan({ query: { topic: 'orders' }, target: { kind: 'local', topic: 'new' }, options })
    await functionFile('export default () => null', 'one.mjs')
    const sink = createMemorySink()
    const { job } = await runReplay('job-1', { ...scene, sink, openFunction, nowMs: Date.now }, never)
    expect(job).toMatchObject({
      state: 'failed',
      error: { code: 'FUNCTION_INVALID', message: expect.stringContaining('not the file') },
    })
    expect(sink.writes).toEqual([])
  })

  it.each([
    { what: 'is not there', source: undefined, why: 'cannot be read' },
    { what: 'does not load', source: 'export default (', why: 'does not load' },
    { what: 'has no function', source: 'export const change = 1', why: 'no function' },
  ])('refuses a file that $what', async ({ source, why }) => {
    const path = source === undefined ? join(folder, 'missing.mjs') : await functionFile(source, 'bad.mjs')
    await expect(describeFunction(path)).rejects.toMatchObject({
      code: 'FUNCTION_INVALID',
      message: expect.stringContaining(why),
    })
  })
})
