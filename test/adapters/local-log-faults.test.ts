import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { copyFile, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { openLocalLog } from '../../src/adapters/local/log.ts'
import { isMillpondError } from '../../src/errors.ts'
import { openLocalSource } from '../../src/adapters/local/source.ts'
import { collectLanes, numbered, variedMessages } from '../contract/source.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'
import { until } from '../live/until.ts'
import { readTopic, temporaryFolder, temporaryLog, toAppend, valuesOf } from './local-fixtures.ts'

const childPath = fileURLToPath(new URL('local-log-child.ts', import.meta.url))

/** A process that uses the log, with the whole lines that it printed. */
function startChild(path: string, role: 'append' | 'consume', name: string, sessionMs = 60_000) {
  const child: ChildProcessByStdio<null, Readable, null> = spawn(
    process.execPath,
    [childPath, path, role, name, String(sessionMs)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const lines: string[] = []
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return { lines, kill, isRunning: () => child.exitCode === null && child.signalCode === null }
}

/** Numbers that an appender was told to be durable. */
const acknowledged = (lines: readonly string[]): number[] =>
  lines.flatMap((line) => {
    const [from, to] = line.split(' ').map(Number) as [number, number]
    return Array.from({ length: to - from }, (_, i) => from + i)
  })

/** A deterministic sequence of numbers in [0, 1). */
function sequence(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

describe('local log: processes', () => {
  it('holds each acknowledged message once, in order, after appenders were killed over and over', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.sqlite')
    const random = sequence(7)
    const sent = new Map<string, number[]>()
    for (let round = 0; round < 8; round++) {
      const names = [`a${round}`, `b${round}`]
      const children = names.map((name) => startChild(path, 'append', name))
      const enough = 5 + Math.floor(random() * 60)
      await until(() => children.every(({ lines }) => lines.length >= enough), `${enough} appends of both`)
      await Promise.all(children.map(({ kill }) => kill()))
      for (const [i, name] of names.entries()) sent.set(name, acknowledged(children[i]!.lines))
    }
    await using log = await openLocalLog({ path })
    const lanes = await readTopic(log, 'orders')
    const found = Map.groupBy(lanes.flatMap(valuesOf), (value) => value.split(':')[0]!)
    for (const [name, numbers] of sent) {
      const values = new Set(found.get(name))
      expect(values.size).toBe(found.get(name)!.length)
      expect(numbers.filter((number) => !values.has(`${name}:${number}`))).toEqual([])
    }
    for (const lane of lanes) expect(lane.map(({ position }) => position)).toEqual(lane.map((_, i) => i))
  })

  it('shares lanes among processes, moves those of one that was killed, and loses nothing', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.sqlite')
    await using log = await openLocalLog({ path })
    await log.createTopic('orders', { partitions: 4 })
    const readers = ['one', 'two'].map((name) => startChild(path, 'consume', name))
    const owned = (lines: readonly string[]) =>
      lines.filter((line) => line.startsWith('lane')).length - lines.filter((line) => line.startsWith('left')).length
    await until(() => readers.every(({ lines }) => owned(lines) === 2), 'two lanes for each')
    const appenders = ['a', 'b'].map((name) => startChild(path, 'append', name))
    const readBy = ({ lines }: { readonly lines: readonly string[] }) => lines.filter((line) => line.startsWith('read'))
    await until(() => readers.every((reader) => readBy(reader).length > 1000), 'both to read')
    await readers[0]!.kill()
    await until(() => owned(readers[1]!.lines) === 4, 'all lanes at the one that is alive')
    await Promise.all(appenders.map(({ kill }) => kill()))
    const stored = (await readTopic(log, 'orders')).flatMap((lane, i) =>
      valuesOf(lane).map((value, position) => `read ${i} ${position} ${value}`),
    )
    await until(() => new Set(readers.flatMap(readBy)).size === stored.length, 'everything to be read')
    expect(new Set(readers.flatMap(readBy))).toEqual(new Set(stored))
    const values = new Set(stored.map((line) => line.split(' ')[3]))
    for (const [i, name] of ['a', 'b'].entries()) {
      expect(acknowledged(appenders[i]!.lines).filter((number) => !values.has(`${name}:${number}`))).toEqual([])
    }
    // The one that lives read each message of its own lanes once.
    const again = readBy(readers[1]!)
    expect(new Set(again).size).toBe(again.length)
    expect(readers[1]!.isRunning()).toBe(true)
    await readers[1]!.kill()
  })

  it('has the lanes of a killed process at once, whatever its session', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.sqlite')
    await using log = await openLocalLog({ path })
    await log.createTopic('orders', { partitions: 4 })
    const killed = startChild(path, 'consume', 'one', 3_600_000)
    await until(() => killed.lines.length === 4, 'all lanes at the first')
    await killed.kill()
    await using source = openLocalSource(log, { topics: ['*'], group: 'readers', member: 'two' })
    const stop = new AbortController()
    const { lanes, done } = collectLanes(source, stop.signal)
    await until(() => lanes.length === 4, 'all lanes at the second')
    stop.abort()
    await done
  })
})

describe.skipIf(tmpfsMissing !== undefined)('local log: full and read-only disks', () => {
  it('refuses what does not fit, whole, and works again when there is space', async () => {
    await withTmpfs(8 * 1024 * 1024, async ({ path: folder }) => {
      const other = join(folder, 'other')
      await writeFile(other, new Uint8Array(4 * 1024 * 1024))
      await using log = await openLocalLog({ path: join(folder, 'log.sqlite') })
      const random = sequence(3)
      const noise = () => Uint8Array.from({ length: 100_000 }, () => random() * 256)
      const attempt = async (number: number) => {
        const messages = [0, 1, 2].map((part) => ({ timestamp: 0, key: `k${part}`, value: noise(), id: `${number}.${part}` }))
        await log.append('orders', toAppend(messages))
        return number
      }
      const taken: number[] = []
      const refused: unknown[] = []
      for (let number = 0; number < 30; number++) {
        try {
          taken.push(await attempt(number))
        } catch (error) {
          refused.push(error)
        }
      }
      expect(taken.length).toBeGreaterThan(2)
      expect(refused.length).toBeGreaterThan(2)
      for (const error of refused) expect(error).toMatchObject({ code: 'LOG_FULL' })
      const ids = async () => (await readTopic(log, 'orders')).flat().map(({ id }) => id!)
      expect((await ids()).sort()).toEqual(taken.flatMap((number) => [0, 1, 2].map((part) => `${number}.${part}`)).sort())
      // A small one may still fit beside large ones that do not.
      await Promise.allSettled([attempt(90), attempt(91), attempt(92)])
      const before = await ids()
      expect(before.length % 3).toBe(0)
      await unlink(other)
      for (const number of [100, 101]) await attempt(number)
      const added = [100, 101].flatMap((number) => [0, 1, 2].map((part) => `${number}.${part}`))
      expect((await ids()).sort()).toEqual([...before, ...added].sort())
    })
  })

  it('says so where there is no space to make it, and leaves nothing', async () => {
    await withTmpfs(64 * 1024, async ({ path: folder }) => {
      await expect(openLocalLog({ path: join(folder, 'deep', 'log.sqlite') })).rejects.toMatchObject({ code: 'LOG_FULL' })
    })
  })

  it('says so where the folder is read-only', async () => {
    await withTmpfs(8 * 1024 * 1024, async ({ path: folder, setReadOnly }) => {
      const path = join(folder, 'log.sqlite')
      {
        await using log = await openLocalLog({ path })
        await log.append('orders', toAppend(numbered(0, 3)))
      }
      await setReadOnly(true)
      await expect(openLocalLog({ path })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
      await expect(openLocalLog({ path: join(folder, 'new.sqlite') })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
      await setReadOnly(false)
      await using log = await openLocalLog({ path })
      expect((await readTopic(log, 'orders')).flat()).toHaveLength(3)
    })
  })
})

describe('local log: damage', () => {
  it.each([
    { what: 'empty', content: new Uint8Array(0) },
    { what: 'text', content: Buffer.from('hello\n'.repeat(1000)) },
    { what: 'cut in its header', content: Buffer.from('SQLite format 3\0') },
  ])('refuses a file that is $what, by name', async ({ content }) => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.sqlite')
    await writeFile(path, content)
    const error = await openLocalLog({ path }).catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'LOG_CORRUPT', message: expect.stringContaining(path) as string })
    expect(await readFile(path)).toEqual(Buffer.from(content))
  })

  it('refuses the database of another program', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'log.sqlite')
    const foreign = new DatabaseSync(path)
    foreign.exec('CREATE TABLE blocks (x)')
    foreign.close()
    await expect(openLocalLog({ path })).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })

  it('refuses a folder in the place of its file', async () => {
    await using folder = await temporaryFolder()
    await expect(openLocalLog({ path: folder.path })).rejects.toMatchObject({ code: 'LOG_UNAVAILABLE' })
  })

  it('refuses a log that was cut, wherever', async () => {
    await using fixture = await temporaryLog()
    await fixture.log.append('orders', toAppend(variedMessages(5000)))
    await fixture.log.close()
    const whole = (await stat(fixture.path)).size
    for (const bytes of [whole - 1, whole - 20_000, whole / 2, 16_384, 5000]) {
      const path = `${fixture.path}-cut`
      await copyFile(fixture.path, path)
      await truncate(path, Math.floor(bytes))
      const outcome = await contentOf(path)
      expect(outcome).toBe('LOG_CORRUPT')
      await removeLog(path)
    }
  })

  it('never gives other messages than were appended, whichever byte of the file is flipped', async () => {
    await using fixture = await temporaryLog({ autoCreate: { partitions: 2 }, lookups: ['key'] })
    const { log, path } = fixture
    for (const part of [variedMessages(4000), variedMessages(3), variedMessages(300)]) await log.append('orders', toAppend(part))
    await log.close()
    const good = await contentOf(path)
    const bytes = await readFile(path)
    const random = sequence(11)
    // Pages are large, and empty for the most part.
    const used = [...bytes.keys()].filter((at) => bytes[at] !== 0)
    const outcomes: { readonly at: number; readonly outcome: string }[] = []
    for (let round = 0; round < 80; round++) {
      const damaged = Buffer.from(bytes)
      const at = used[Math.floor(random() * used.length)]!
      damaged[at]! ^= 1 << Math.floor(random() * 8)
      const copy = `${path}-flipped`
      await writeFile(copy, damaged)
      const outcome = await contentOf(copy)
      await removeLog(copy)
      outcomes.push({ at, outcome: outcome === good ? 'same' : outcome })
    }
    // Some bytes belong to nothing.
    expect(outcomes.filter(({ outcome }) => outcome !== 'same' && outcome !== 'LOG_CORRUPT')).toEqual([])
    expect(outcomes.filter(({ outcome }) => outcome === 'LOG_CORRUPT').length).toBeGreaterThan(10)
  })

  it('names topic, lane and position of a damaged row, and still gives what lies before it', async () => {
    await using fixture = await temporaryLog({ autoCreate: { partitions: 1 } })
    const { log, path } = fixture
    for (let number = 0; number < 3; number++) await log.append('orders', toAppend(numbered(number, number + 1)))
    await log.close()
    const database = new DatabaseSync(path)
    database.exec('UPDATE blocks SET max_timestamp = max_timestamp + 1 WHERE first_position = 1')
    database.close()
    await using again = await openLocalLog({ path })
    const { reader } = again.parts
    const [partitionKey] = reader.topic('orders')!.partitionKeys
    expect(reader.read(partitionKey!, 0, 1)!.rows).toHaveLength(1)
    const error = await readTopic(again, 'orders').catch((caught: unknown) => caught)
    expect(error).toMatchObject({
      code: 'LOG_CORRUPT',
      message: expect.stringContaining('orders/0') as string,
      details: { position: 1 },
    })
  })

  it('does not append behind a partition whose end is not where its rows end', async () => {
    await using fixture = await temporaryLog({ autoCreate: { partitions: 1 } })
    const { log, path } = fixture
    await log.append('orders', toAppend(numbered(0, 5)))
    await log.close()
    const database = new DatabaseSync(path)
    database.exec('UPDATE partitions SET next = 3')
    database.close()
    await using again = await openLocalLog({ path })
    await expect(again.append('orders', toAppend(numbered(5, 6)))).rejects.toMatchObject({ code: 'LOG_CORRUPT' })
  })
})

/** All that a log gives, as one text; the code of the error where it gives one. */
async function contentOf(path: string): Promise<string> {
  try {
    await using log = await openLocalLog({ path })
    const topics = await log.topics()
    const lanes = await Promise.all(topics.map(({ name }) => readTopic(log, name)))
    const names = topics.map(({ name, topicId, partitions }) => [name, topicId, partitions])
    return JSON.stringify([
      names,
      lanes.map((lane) =>
        lane.map((messages) => messages.map(({ position, value }) => [position, value && Buffer.from(value).toString()])),
      ),
    ])
  } catch (error) {
    if (isMillpondError(error)) return error.code
    throw error
  }
}

async function removeLog(path: string): Promise<void> {
  for (const file of [path, `${path}-wal`, `${path}-shm`]) await unlink(file).catch(() => undefined)
}
