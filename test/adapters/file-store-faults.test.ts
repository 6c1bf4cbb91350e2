import { readdir, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { fileStoreError } from '../../src/adapters/file/errors.ts'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { MillpondError } from '../../src/errors.ts'
import type { Store } from '../../src/store/store.ts'
import { tmpfsMissing, withTmpfs } from '../live/tmpfs.ts'

const KiB = 1024
const MiB = 1024 * KiB

const keysOf = (store: Store) => Array.fromAsync(store.list(''), ({ key }) => key)

/** All entries below the folder, folders too. */
const entriesOf = async (path: string) => (await readdir(path, { recursive: true })).toSorted()

/** Every way to write an object. */
const writes: readonly { kind: string; write: (store: Store, key: string, bytes: Uint8Array) => Promise<unknown> }[] = [
  { kind: 'put', write: (store, key, bytes) => store.put(key, bytes) },
  { kind: 'put-if-absent', write: (store, key, bytes) => store.putIfAbsent(key, bytes) },
  {
    kind: 'a streamed write',
    write: async (store, key, bytes) => {
      const writer = await store.openWriter(key)
      for (let at = 0; at < bytes.length; at += 100_000) await writer.write(bytes.subarray(at, at + 100_000))
      return writer.finish()
    },
  },
]

describe.skipIf(tmpfsMissing !== undefined)('a file store on a full disk', () => {
  it.each(writes)('leaves nothing of $kind that does not fit, and goes on when there is space', async ({ write }) => {
    await withTmpfs(2 * MiB, async ({ path }) => {
      await using store = await openFileStore({ path })
      await store.put('kept/object', new Uint8Array(KiB).fill(7))
      await writeFile(join(path, 'ballast'), new Uint8Array(MiB))
      const before = await entriesOf(path)

      const full = { code: 'STORE_FULL', message: expect.stringMatching(/"far\/down\/big".*free space/) }
      await expect(write(store, 'far/down/big', new Uint8Array(1.5 * MiB))).rejects.toMatchObject(full)
      expect(await entriesOf(path)).toEqual(before)
      expect(await store.size('far/down/big')).toBeUndefined()
      expect(await store.read('kept/object')).toEqual(new Uint8Array(KiB).fill(7))

      await unlink(join(path, 'ballast'))
      await write(store, 'far/down/big', new Uint8Array(1.5 * MiB).fill(9))
      expect(Buffer.compare(await store.read('far/down/big'), new Uint8Array(1.5 * MiB).fill(9))).toBe(0)
    })
  })

  it('tells the writer of a stream, and gives the space back before that one gives up', async () => {
    await withTmpfs(2 * MiB, async ({ path }) => {
      await using store = await openFileStore({ path })
      const writer = await store.openWriter('big')
      const writing = async () => {
        for (let chunk = 0; chunk < 1000; chunk++) await writer.write(new Uint8Array(64 * KiB))
      }
      await expect(writing()).rejects.toMatchObject({ code: 'STORE_FULL' })
      expect(await entriesOf(path)).toEqual(['.millpond-tmp'])
      expect(await store.putIfAbsent('other', new Uint8Array(MiB))).toBe('created')
      await expect(writer.write(new Uint8Array(1))).rejects.toMatchObject({ code: 'STORE_FULL' })
      await expect(writer.finish()).rejects.toMatchObject({ code: 'STORE_FULL' })
      await writer.abort()
      expect(await keysOf(store)).toEqual(['other'])
    })
  })

  it('keeps the object that a put would have replaced', async () => {
    await withTmpfs(2 * MiB, async ({ path }) => {
      await using store = await openFileStore({ path })
      await store.put('a', new Uint8Array(MiB).fill(1))
      await expect(store.put('a', new Uint8Array(1.5 * MiB))).rejects.toMatchObject({ code: 'STORE_FULL' })
      expect(Buffer.compare(await store.read('a'), new Uint8Array(MiB).fill(1))).toBe(0)
    })
  })

  it.each(writes)('leaves nothing of $kind, whichever of its files, folders and links is one too many', async ({ write }) => {
    await withTmpfs({ bytes: 2 * MiB, inodes: 40 }, async ({ path }) => {
      await using store = await openFileStore({ path })
      await store.put('kept', new Uint8Array(1))
      const ballast: string[] = []
      const fill = async () => {
        for (;;) {
          const name = join(path, `ballast-${ballast.length}`)
          await writeFile(name, '')
          ballast.push(name)
        }
      }
      await expect(fill()).rejects.toMatchObject({ code: 'ENOSPC' })

      const outcomes: string[] = []
      for (let free = 0; outcomes.at(-1) !== 'written'; free++) {
        const before = await entriesOf(path)
        outcomes.push(
          await write(store, 'far/down/object', new Uint8Array(KiB).fill(free)).then(
            () => 'written',
            (error: unknown) => (error instanceof MillpondError ? error.code : String(error)),
          ),
        )
        if (outcomes.at(-1) === 'written') break
        expect(await entriesOf(path)).toEqual(before)
        await unlink(ballast.pop() ?? '')
      }
      // The temporary file, two folders, and a link where there is one: each was the one too many once.
      expect(outcomes.length).toBeGreaterThan(3)
      expect(new Set(outcomes)).toEqual(new Set(['STORE_FULL', 'written']))
      expect(await store.read('far/down/object')).toEqual(new Uint8Array(KiB).fill(outcomes.length - 1))
    })
  })

  it('cannot be made where there is no space for its folder', async () => {
    await withTmpfs({ bytes: MiB, inodes: 2 }, async ({ path }) => {
      await expect(openFileStore({ path: join(path, 'a/b'), create: true })).rejects.toMatchObject({ code: 'STORE_FULL' })
    })
  })
})

describe.skipIf(tmpfsMissing !== undefined)('a file store on a read-only disk', () => {
  it('is read as before and refuses every change', async () => {
    await withTmpfs(2 * MiB, async ({ path, setReadOnly }) => {
      await using store = await openFileStore({ path })
      await store.put('a/b', new Uint8Array(KiB).fill(3))
      const before = await entriesOf(path)
      await setReadOnly(true)

      const refused = { code: 'STORE_READ_ONLY', message: expect.stringMatching(/"a\/.*writable/) }
      for (const { write } of writes) {
        await expect(write(store, 'a/c', new Uint8Array(1))).rejects.toMatchObject(refused)
        await expect(write(store, 'a/new/folder/c', new Uint8Array(1))).rejects.toMatchObject(refused)
      }
      await expect(store.delete('a/b')).rejects.toMatchObject(refused)
      expect(await entriesOf(path)).toEqual(before)

      await using reader = await openFileStore({ path })
      await using makingReader = await openFileStore({ path, create: true })
      for (const readable of [store, reader, makingReader]) {
        expect(await readable.read('a/b')).toEqual(new Uint8Array(KiB).fill(3))
        expect(await keysOf(readable)).toEqual(['a/b'])
        await readable.delete('a/none')
      }
      await expect(openFileStore({ path: join(path, 'new'), create: true })).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })

      await setReadOnly(false)
      expect(await store.putIfAbsent('a/c', new Uint8Array(1))).toBe('created')
    })
  })

  it('stops a streamed write that was under way', async () => {
    await withTmpfs(2 * MiB, async ({ path, setReadOnly }) => {
      await using store = await openFileStore({ path })
      const writer = await store.openWriter('a')
      await writer.write(new Uint8Array(KiB))
      // While a file is open for writing the kernel refuses the remount, as it would refuse to take the disk away.
      await expect(setReadOnly(true)).rejects.toThrow(/busy/)
      await writer.abort()
      await setReadOnly(true)
      await expect(store.openWriter('a')).rejects.toMatchObject({ code: 'STORE_READ_ONLY' })
      expect(await keysOf(store)).toEqual([])
    })
  })
})

describe('the errors of a file store', () => {
  const attempt = { key: 'a/b', root: '/srv/archive' } as const
  const system = (code: string) =>
    Object.assign(new Error(`${code}: as the system says it`), { code, errno: -1, syscall: 'write' })

  it.each([
    { errno: 'ENOSPC', doing: 'write', code: 'STORE_FULL' },
    { errno: 'EDQUOT', doing: 'write', code: 'STORE_FULL' },
    { errno: 'EFBIG', doing: 'write', code: 'STORE_FULL' },
    { errno: 'EROFS', doing: 'write', code: 'STORE_READ_ONLY' },
    { errno: 'EACCES', doing: 'write', code: 'STORE_READ_ONLY' },
    { errno: 'EPERM', doing: 'delete', code: 'STORE_READ_ONLY' },
    { errno: 'EACCES', doing: 'read', code: 'STORE_UNAVAILABLE' },
    { errno: 'EACCES', doing: 'list', code: 'STORE_UNAVAILABLE' },
    { errno: 'ENOENT', doing: 'read', code: 'OBJECT_MISSING' },
    { errno: 'ENOENT', doing: 'write', code: 'STORE_UNAVAILABLE' },
    { errno: 'EISDIR', doing: 'write', code: 'KEY_INVALID' },
    { errno: 'ENAMETOOLONG', doing: 'write', code: 'KEY_INVALID' },
    { errno: 'ELOOP', doing: 'read', code: 'KEY_INVALID' },
    { errno: 'EMFILE', doing: 'read', code: 'STORE_UNAVAILABLE' },
    { errno: 'EIO', doing: 'read', code: 'STORE_UNAVAILABLE' },
    { errno: 'ESTALE', doing: 'write', code: 'STORE_UNAVAILABLE' },
  ] as const)('are $code for $errno of a $doing, with key, folder and cause', ({ errno, doing, code }) => {
    const cause = system(errno)
    const error = fileStoreError(cause, { doing, ...attempt })
    expect(error).toMatchObject({ code, cause, details: { key: 'a/b', root: '/srv/archive', errno } })
    expect(String(error)).toMatch(/cannot \w+ "a\/b" in \/srv\/archive \(\w+\): \w+/)
  })

  it("leave what is not the system's as it is", () => {
    for (const error of [
      new MillpondError('STOPPED', 'x'),
      new TypeError('x'),
      new DOMException('x', 'AbortError'),
      'text',
      undefined,
    ]) {
      expect(fileStoreError(error, { doing: 'write', ...attempt })).toBe(error)
    }
  })
})
