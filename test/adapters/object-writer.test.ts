import { mkdtemp, open, rm, stat } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createObjectWriter } from '../../src/adapters/file/object-writer.ts'

const MiB = 1024 * 1024

describe('a writer of a large object', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millpond-writer-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  /** A writer into a real file whose `datasync` is this one. */
  async function writerWith(datasync: (file: FileHandle) => Promise<void>) {
    const path = join(folder, 'temp')
    const file = await open(path, 'w')
    const watched = new Proxy(file, {
      get(target, name) {
        if (name === 'datasync') return () => datasync(target)
        const member: unknown = Reflect.get(target, name)
        return typeof member === 'function' ? (member.bind(target) as unknown) : member
      },
    })
    let closed = false
    const writer = createObjectWriter({
      temp: { path, file: watched },
      publish: async () => {
        expect((await stat(path)).size).toBe(40 * MiB)
        return 'created'
      },
      explain: (error) => error,
      onClosed: () => (closed = true),
    })
    return { writer, isClosed: () => closed }
  }

  it('makes it durable while more comes, not only at the end', async () => {
    let flushes = 0
    const { writer } = await writerWith(async (file) => {
      flushes++
      await file.datasync()
    })
    for (let written = 0; written < 40; written++) await writer.write(new Uint8Array(MiB))
    expect(flushes).toBeGreaterThan(0)
    expect(flushes).toBeLessThan(4)
    expect(await writer.finish()).toBe('created')
  })

  it('fails where that fails, though a later sync would not know of it', async () => {
    const { writer, isClosed } = await writerWith(() => Promise.reject(new Error('the disk lost a write')))
    const writing = async () => {
      for (let written = 0; written < 40; written++) await writer.write(new Uint8Array(MiB))
      return writer.finish()
    }
    await expect(writing()).rejects.toThrow('the disk lost a write')
    await writer.abort()
    expect(isClosed()).toBe(true)
  })
})
