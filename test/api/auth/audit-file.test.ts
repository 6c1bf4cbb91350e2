import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLineFile } from '../../../src/api/auth/audit-file.ts'

const NOW_MS = Date.UTC(2026, 10, 29)

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millpond-lines-'))
  path = join(folder, 'logs', 'audit.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

const open = (rotateBytes = 1_000_000) => openLineFile({ path, rotateBytes, nowMs: () => NOW_MS })
const text = (name = 'audit.jsonl') => readFile(join(folder, 'logs', name), 'utf8')

describe('a file of lines', () => {
  it('holds them in their order, for its owner alone', async () => {
    await using file = open()
    await Promise.all(Array.from({ length: 100 }, (_, i) => file.append(`line ${i}`)))
    expect((await text()).split('\n')).toEqual([...Array.from({ length: 100 }, (_, i) => `line ${i}`), ''])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('goes on where another process left it, on a line of its own, and closes it to others', async () => {
    await using first = open()
    await first.append('whole')
    await writeFile(path, 'whole\nhal')
    await chmod(path, 0o644)
    await using second = open()
    await second.append('next')
    expect(await text()).toBe('whole\nhal\nnext\n')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('gets another name before it is larger than it may be, and no line is cut or lost', async () => {
    await using file = open(1024)
    const lines = Array.from({ length: 40 }, (_, i) => `${i} ${'x'.repeat(95)}`)
    for (const line of lines) await file.append(line)
    const names = (await readdir(join(folder, 'logs'))).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    expect(names.length).toBe(4)
    expect(names[1]).toBe('audit.jsonl.2026-11-29T00-00-00.000Z')
    const parts = await Promise.all([...names.slice(1), names[0]!].map((name) => text(name)))
    expect(parts.every((part) => part.length <= 1024)).toBe(true)
    expect(parts.join('').trimEnd().split('\n')).toEqual(lines)
  })

  it('is shared by two writers, also when one of them rotates it or something else moves it away', async () => {
    await using first = open(700)
    await using second = open(700)
    const lines = Array.from({ length: 20 }, (_, i) => [`a${i} ${'x'.repeat(60)}`, `b${i} ${'x'.repeat(60)}`])
    for (const [i, [a, b]] of lines.entries()) {
      await first.append(a!)
      await second.append(b!)
      if (i === 9) await rename(path, `${path}.moved`)
    }
    const parts = await Promise.all((await readdir(join(folder, 'logs'))).map((name) => text(name)))
    const found = parts.join('').trimEnd().split('\n')
    expect(found.toSorted()).toEqual(lines.flat().toSorted())
  })

  const names = async () => (await readdir(join(folder, 'logs'))).toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))

  it('keeps so many of the files that it was, the newest, and nothing else is removed', async () => {
    let nowMs = NOW_MS
    const kept: string[] = []
    const others = ['audit.jsonl.moved', 'audit.jsonl.2026-11-29T00-00-00.000Z.gz', 'other.jsonl.2026-11-29T00-00-00.000Z']
    await mkdir(join(folder, 'logs'))
    for (const name of others) await writeFile(join(folder, 'logs', name), name)
    const options = { path, rotateBytes: 1024, nowMs: () => nowMs, onKept: (reason: string) => void kept.push(reason) }
    await using file = openLineFile({ ...options, keep: 3 })
    const lines = Array.from({ length: 100 }, (_, i) => `${i} ${'x'.repeat(95)}`)
    for (const line of lines) {
      await file.append(line)
      // Several in one moment: those have a number behind the time.
      if (line.startsWith('5')) nowMs += 1000
    }
    const rotated = (await names()).filter((name) => /Z(\.\d+)?$/u.test(name) && name.startsWith('audit'))
    expect(rotated).toHaveLength(3)
    const left = (await Promise.all([...rotated, 'audit.jsonl'].map((name) => text(name)))).join('').trimEnd().split('\n')
    expect(left).toEqual(lines.slice(-left.length))
    expect(left.length).toBeGreaterThan(30)
    for (const name of others) expect(await text(name)).toBe(name)

    // Who wants fewer has fewer from the first line on; who wants all removes none.
    await using fewer = openLineFile({ ...options, keep: 1 })
    await fewer.append('next')
    expect((await names()).filter((name) => name.startsWith('audit') && name.includes('Z')).length).toBe(2)
    expect((await text()).endsWith('next\n')).toBe(true)
    expect(kept).toEqual([])
  })

  it('keeps what it has just been, though the clock went back', async () => {
    let nowMs = NOW_MS
    await using file = openLineFile({ path, rotateBytes: 100, nowMs: () => nowMs, keep: 2 })
    for (const text of ['a', 'b', 'c', 'd']) await file.append(text.repeat(90))
    nowMs -= 3_600_000
    await file.append('e'.repeat(90))
    expect(await text('audit.jsonl.2026-11-28T23-00-00.000Z')).toBe(`${'d'.repeat(90)}\n`)
    expect(await names()).toHaveLength(3)
  })

  it('is written on where old files cannot be removed, and says so', async () => {
    const kept: string[] = []
    const stuck = join(folder, 'logs', 'audit.jsonl.2026-01-01T00-00-00.000Z')
    await mkdir(stuck, { recursive: true })
    const old = join(folder, 'logs', 'audit.jsonl.2026-01-01T00-00-00.000Z.2')
    await writeFile(old, 'old')
    const onKept = (reason: string) => void kept.push(reason)
    await using file = openLineFile({ path, rotateBytes: 100, nowMs: () => NOW_MS, keep: 1, onKept })
    for (const text of ['a', 'b']) await file.append(text.repeat(90))
    // When it is opened, and when it was rotated.
    expect(kept).toHaveLength(2)
    expect(kept.every((reason) => /^(?:EISDIR|EPERM)$/u.test(reason))).toBe(true)
    expect(await names()).toEqual(['audit.jsonl', 'audit.jsonl.2026-01-01T00-00-00.000Z', 'audit.jsonl.2026-11-29T00-00-00.000Z'])
  })

  it('loses no line of two writers but with the files that go', async () => {
    const open = () => openLineFile({ path, rotateBytes: 700, nowMs: () => NOW_MS, keep: 2 })
    await using first = open()
    await using second = open()
    const lines = Array.from({ length: 60 }, (_, i) => `${i} ${'x'.repeat(60)}`)
    for (const [i, line] of lines.entries()) await (i % 3 === 0 ? first : second).append(line)
    const left = await names()
    expect(left).toHaveLength(3)
    const parts = await Promise.all([...left.slice(1), left[0]!].map((name) => text(name)))
    const found = parts.join('').trimEnd().split('\n')
    expect(found).toEqual(lines.slice(-found.length))
  })

  it('is no link to somewhere else', async () => {
    const target = join(folder, 'target')
    await writeFile(target, 'kept')
    await mkdir(join(folder, 'logs'))
    await symlink(target, path)
    await using file = open()
    await expect(file.append('x')).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE' })
    expect(await readFile(target, 'utf8')).toBe('kept')
  })

  it('says that it cannot be written, and is written again when it can', async () => {
    await writeFile(join(folder, 'logs'), 'a file where the folder should be')
    await using file = open()
    await expect(file.append('x')).rejects.toMatchObject({ code: 'AUDIT_UNAVAILABLE', httpStatus: 503, retryable: true })
    await rm(join(folder, 'logs'))
    await file.append('y')
    expect(await text()).toBe('y\n')
  })

  it('takes no more than may wait', async () => {
    await using file = open(100_000_000)
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => file.append('x'.repeat(1_000_000))))
    const taken = results.filter(({ status }) => status === 'fulfilled').length
    expect(taken).toBeGreaterThan(7)
    expect(taken).toBeLessThan(20)
  })
})
