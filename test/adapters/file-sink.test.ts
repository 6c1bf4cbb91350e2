import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type FileSinkOptions, openFileSink } from '../../src/adapters/file/sink.ts'
import { batchOf } from '../../src/batch/builder.ts'
import { messagesOf } from '../../src/batch/view.ts'
import { parseJsonLines } from '../../src/encode/json-lines.ts'
import { partialOf } from '../../src/sink/partial.ts'
import { sinkContract } from '../contract/sink.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-sink-'))
  path = join(folder, 'out')
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const running = () => new AbortController().signal
const target = (lane = '0', job?: string) => ({
  topic: 'orders',
  origin: { topic: 'orders', lane },
  ...(job !== undefined && { job }),
})
const messages = (from: number, to: number, value: (position: number) => string | null = String) =>
  batchOf(Array.from({ length: to - from }, (_, i) => ({ position: from + i, timestamp: 1000 + i, value: value(from + i) })))
const contentOf = () => readFile(path, 'utf8')

/** Opens a sink, lets `act` write to it, and closes it. */
async function withSink(
  options: Partial<FileSinkOptions>,
  act: (sink: Awaited<ReturnType<typeof openFileSink>>) => Promise<void>,
) {
  await using sink = await openFileSink({ path, format: 'json', ...options })
  await act(sink)
}

const parsed = (bytes: Uint8Array) => [
  ...messagesOf(parseJsonLines(bytes, { mode: 'envelope', nowMs: 0, maxMessageBytes: 1_000_000 })),
]

sinkContract('file', async () => {
  const own = await mkdtemp(join(tmpdir(), 'millpond-sink-'))
  const file = join(own, 'out.jsonl')
  const sink = await openFileSink({ path: file, format: 'json' })
  return {
    sink,
    keepsIds: true,
    read: async () => [parsed(await readFile(file))],
    async [Symbol.asyncDispose]() {
      await sink[Symbol.asyncDispose]()
      await rm(own, { recursive: true })
    },
  }
})

describe('a file sink', () => {
  it('writes JSON lines that say where each message was', async () => {
    await withSink({}, async (sink) => {
      expect(sink.name).toBe(`file ${path}`)
      expect(await sink.write(target('3'), messages(7, 9), running())).toEqual({ delivered: 2, failed: [] })
    })
    expect(await contentOf()).toBe(
      '{"topic":"orders","lane":"3","position":7,"timestamp":1000,"key":null,"value":7}\n' +
        '{"topic":"orders","lane":"3","position":8,"timestamp":1001,"key":null,"value":8}\n',
    )
    expect(await readdir(folder)).toEqual(['out'])
  })

  it('writes raw values with their delimiter, and says which cannot be written', async () => {
    await withSink({ format: 'raw', delimiter: Buffer.from('||') }, async (sink) => {
      const batch = messages(0, 4, (position) => (position === 1 ? null : position === 2 ? '' : `v${position}`))
      const failed = [{ position: 1, reason: 'raw output cannot hold a null value' }]
      expect(await sink.write(target(), batch, running())).toEqual({ delivered: 3, failed })
    })
    expect(await contentOf()).toBe('v0||||v3||')
  })

  it('replaces what was there, or leaves it and goes on in a line of its own', async () => {
    await writeFile(path, 'old')
    await withSink({ append: true, format: 'raw' }, async (sink) => void (await sink.write(target(), messages(0, 1), running())))
    expect(await contentOf()).toBe('old0\n')
    await writeFile(path, '{"value":"old"}')
    await withSink({ append: true }, async (sink) => void (await sink.write(target(), messages(0, 1), running())))
    expect((await contentOf()).split('\n')).toHaveLength(3)
    expect(parsed(await readFile(path))).toHaveLength(2)
    await withSink({}, async (sink) => void (await sink.write(target(), messages(5, 6), running())))
    expect(parsed(await readFile(path))).toHaveLength(1)
  })

  it('keeps batches of lanes that write side by side whole', async () => {
    await withSink({}, async (sink) => {
      const lane = async (name: string) => {
        for (let from = 0; from < 100; from += 10) await sink.write(target(name), messages(from, from + 10), running())
      }
      await Promise.all(['0', '1', '2', '3'].map(lane))
    })
    const lines = (await contentOf())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { lane: string; position: number })
    for (const lane of ['0', '1', '2', '3']) {
      expect(lines.filter((line) => line.lane === lane).map(({ position }) => position)).toEqual(
        Array.from({ length: 100 }, (_, i) => i),
      )
    }
    for (let at = 0; at < lines.length; at += 10) {
      expect(new Set(lines.slice(at, at + 10).map(({ lane, position }) => `${lane} ${Math.floor(position / 10)}`)).size).toBe(1)
    }
  })

  it('says what is wrong with a path it cannot write to', async () => {
    await expect(openFileSink({ path: join(folder, 'missing', 'out'), format: 'json' })).rejects.toMatchObject({
      code: 'DELIVERY_FAILED',
      message: `cannot open ${join(folder, 'missing', 'out')} (ENOENT)`,
    })
    await expect(openFileSink({ path: folder, format: 'json' })).rejects.toMatchObject({ code: 'DELIVERY_FAILED' })
  })
})

describe('a file sink of a job that goes on', () => {
  const job = 'job-1'
  const resume = (options: Partial<FileSinkOptions> = {}) => openFileSink({ path, format: 'json', resumeJob: job, ...options })
  const write = (options: Partial<FileSinkOptions> = {}) =>
    withSink(options, async (sink) => {
      await sink.write(target('0', job), messages(10, 20), running())
      await sink.write(target('1"', job), messages(0, 3), running())
    })

  it('finds in JSON lines how far each lane came, and needs nothing beside them', async () => {
    await write()
    expect(await readdir(folder)).toEqual(['out'])
    await using sink = await resume()
    expect(await sink.resumePosition!(target('0', job))).toBe(20)
    expect(await sink.resumePosition!(target('1"', job))).toBe(3)
    expect(await sink.resumePosition!(target('2', job))).toBeUndefined()
    expect(await sink.resumePosition!(target('0', 'job-2'))).toBeUndefined()
  })

  it.each([
    { torn: 'a line without its end', bytes: '{"topic":"orders","lane":"0","position":20,"timestamp":0,"key":null,"value":1' },
    { torn: 'half a name', bytes: '{"to' },
    { torn: 'the zeros of a power failure', bytes: '\0\0\0\n\0' },
    { torn: 'zeros within a line', bytes: '{"topic":"orders","lane":"0","position":20,"time\0\0\0\0\0\0\0}\n{"topic":"orders"' },
    {
      torn: 'a whole line before zeros',
      bytes: '\0\n{"topic":"orders","lane":"0","position":20,"timestamp":0,"key":null,"value":1}\n',
    },
  ])('cuts off $torn', async ({ bytes }) => {
    await write()
    const whole = await contentOf()
    await appendFile(path, bytes)
    {
      await using sink = await resume()
      expect(await sink.resumePosition!(target('0', job))).toBe(20)
      expect(await contentOf()).toBe(whole)
      await sink.write(target('0', job), messages(20, 21), running())
    }
    expect(await contentOf()).toBe(`${whole}{"topic":"orders","lane":"0","position":20,"timestamp":1000,"key":null,"value":20}\n`)
  })

  it.each([
    { file: 'something else', bytes: 'hello\n' },
    { file: 'lines of other programs', bytes: '{"key":"a"}\n' },
    {
      file: 'positions that do not rise',
      bytes: '{"topic":"orders","lane":"0","position":19,"timestamp":0,"key":null,"value":1}\n',
    },
  ])('leaves alone a file with $file', async ({ bytes }) => {
    await write()
    await appendFile(path, bytes)
    const before = await contentOf()
    await expect(resume()).rejects.toMatchObject({ code: 'JOB_CONFLICT', details: { path } })
    expect(await contentOf()).toBe(before)
  })

  it('tells what a job wrote from what was there before, in a file that it appends to', async () => {
    await write()
    await write({ append: true })
    const whole = await contentOf()
    await appendFile(path, '{"topic":')
    await using sink = await resume({ append: true })
    expect(await contentOf()).toBe(whole)
    expect(await sink.resumePosition!(target('0', job))).toBe(20)
    expect(await sink.resumePosition!(target('2', job))).toBeUndefined()
  })

  it('knows that a job wrote nothing into a file that it appends to', async () => {
    await write()
    await withSink({ append: true }, async () => {})
    await using sink = await resume({ append: true })
    expect(await sink.resumePosition!(target('0', job))).toBeUndefined()
    expect(parsed(await readFile(path))).toHaveLength(13)
  })

  it.each([false, true])('keeps beside raw values how far they go (append: %s)', async (append) => {
    await writeFile(path, 'before\n')
    await write({ format: 'raw', append })
    const whole = await contentOf()
    await appendFile(path, 'torn or not kept\n')
    {
      await using sink = await resume({ format: 'raw', append })
      expect(await contentOf()).toBe(whole)
      expect(await sink.resumePosition!(target('0', job))).toBe(20)
      expect(await sink.resumePosition!(target('2', job))).toBeUndefined()
      await sink.write(target('0', job), messages(20, 21), running())
    }
    await using sink = await resume({ format: 'raw', append })
    expect(await sink.resumePosition!(target('0', job))).toBe(21)
    expect(await sink.resumePosition!(target('1"', job))).toBe(3)
    expect(await contentOf()).toBe(`${whole}20\n`)
    expect(whole.startsWith('before\n')).toBe(append)
  })

  it('begins anew where nothing was kept, and where the file is gone', async () => {
    await writeFile(path, 'not kept\n')
    {
      await using sink = await resume({ format: 'raw' })
      expect(await sink.resumePosition!(target('0', job))).toBeUndefined()
      expect(await contentOf()).toBe('')
    }
    await rm(path)
    await using sink = await resume()
    expect(await sink.resumePosition!(target('0', job))).toBe(0)
  })

  it('refuses the progress of another job, damaged progress, and a file that is shorter than it was', async () => {
    await write({ format: 'raw' })
    await expect(resume({ format: 'raw', resumeJob: 'job-2' })).rejects.toMatchObject({
      code: 'JOB_CONFLICT',
      details: { writtenBy: job },
    })
    await truncate(path, 5)
    await expect(resume({ format: 'raw' })).rejects.toMatchObject({ code: 'DELIVERY_FAILED', details: { bytes: 5 } })
    await writeFile(`${path}.millpond-progress`, '{"job":"job-1"}')
    await expect(resume({ format: 'raw' })).rejects.toMatchObject({ code: 'DELIVERY_FAILED' })
  })

  it.each([
    { format: 'json', append: false },
    { format: 'json', append: true },
    { format: 'raw', append: true },
  ])('writes each message once over kills: $format, append: $append', async ({ format, append }) => {
    const count = 3000
    const run = (resumed: boolean) =>
      spawn(
        process.execPath,
        [join(import.meta.dirname, 'file-sink-writer.ts'), path, format, String(append), String(resumed), String(count)],
        {
          stdio: ['ignore', 'inherit', 'pipe'],
        },
      )
    const first = run(false)
    await once(first.stderr, 'data')
    first.kill('SIGKILL')
    await once(first, 'exit')
    for (let round = 0; round < 4; round++) {
      const child = run(true)
      const before = (await contentOf()).length
      await expect
        .poll(async () => child.exitCode !== null || (await contentOf()).length > before + 2000, { interval: 1, timeout: 20_000 })
        .toBe(true)
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    const last = run(true)
    expect(await once(last, 'exit')).toEqual([0, null])
    const lines = (await contentOf()).trimEnd().split('\n')
    const values =
      format === 'raw' ? lines : lines.map((line) => (JSON.parse(line) as { value?: unknown; valueText: string }).valueText)
    for (const lane of ['0', '1']) {
      expect(values.filter((value) => value.startsWith(`${lane}-`))).toEqual(
        Array.from({ length: count }, (_, i) => `${lane}-${i}`),
      )
    }
    expect(values).toHaveLength(2 * count)
  })
})

describe('a sink to standard output', () => {
  it('writes to the stream, waits for it, and leaves it open', async () => {
    const output = new PassThrough({ highWaterMark: 16 })
    const sink = await openFileSink({ path: '-', format: 'raw', output })
    expect(sink.name).toBe('standard output')
    let done = false
    const writing = sink.write(target(), messages(0, 10), running()).then(() => (done = true))
    const second = sink.write(target(), messages(10, 20), running())
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toBe(false)
    const read = text(output)
    await Promise.all([writing, second])
    await sink[Symbol.asyncDispose]()
    output.end('end')
    expect(await read).toBe(`${Array.from({ length: 20 }, (_, i) => `${i}\n`).join('')}end`)
  })

  it('is stopped, quietly, where nobody reads any more', async () => {
    const script = join(import.meta.dirname, 'file-sink-writer.ts')
    const child = spawn(process.execPath, [script, '-', 'json', 'false', 'false', '1000000'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const errors = text(child.stderr)
    await once(child.stdout, 'data')
    child.stdout.destroy()
    expect(await once(child, 'exit')).toEqual([3, null])
    expect((await errors).replaceAll('.\n', '')).toMatch(/^\{"code":"STOPPED".*\}\n$/u)
  })
})

describe.skipIf(tmpfsMissing !== undefined)('a file sink on a full disk', () => {
  it.each([{ format: 'json' as const }, { format: 'raw' as const }])(
    'leaves nothing of what does not fit, and goes on: $format',
    async ({ format }) => {
      await withTmpfs(256 * 1024, async (tmpfs) => {
        const file = join(tmpfs.path, 'out')
        await using sink = await openFileSink({ path: file, format })
        await sink.write(target('0', 'job-1'), messages(0, 10), running())
        const whole = await readFile(file, 'utf8')
        await writeFile(join(tmpfs.path, 'ballast'), new Uint8Array(128 * 1024))
        const big = messages(10, 30, () => 'x'.repeat(10_000))
        const failing = sink.write(target('0', 'job-1'), big, running())
        await expect(failing).rejects.toMatchObject({ code: 'DELIVERY_FAILED', message: `cannot write to ${file} (ENOSPC)` })
        expect(partialOf(await failing.catch((error: unknown) => error))).toEqual({ nextPosition: 10, delivered: 0, failed: [] })
        expect(await readFile(file, 'utf8')).toBe(whole)
        await rm(join(tmpfs.path, 'ballast'))
        expect(await sink.write(target('0', 'job-1'), big, running())).toEqual({ delivered: 20, failed: [] })
        expect((await readFile(file, 'utf8')).startsWith(whole)).toBe(true)
        expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(31)
      })
    },
  )

  it('takes raw values back where their progress cannot be kept', async () => {
    // Its root, the file, its progress, and the next progress before it has its name.
    await withTmpfs({ bytes: 1024 * 1024, inodes: 4 }, async (tmpfs) => {
      const file = join(tmpfs.path, 'out')
      await using sink = await openFileSink({ path: file, format: 'raw' })
      await sink.write(target('0', 'job-1'), messages(0, 3), running())
      await writeFile(join(tmpfs.path, 'ballast'), '')
      await expect(sink.write(target('0', 'job-1'), messages(3, 5), running())).rejects.toMatchObject({ code: 'DELIVERY_FAILED' })
      expect(await readFile(file, 'utf8')).toBe('0\n1\n2\n')
      await rm(join(tmpfs.path, 'ballast'))
      await sink.write(target('0', 'job-1'), messages(3, 5), running())
      expect(await readFile(file, 'utf8')).toBe('0\n1\n2\n3\n4\n')
    })
  })
})
