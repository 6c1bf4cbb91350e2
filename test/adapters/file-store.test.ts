import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFileStore } from '../../src/adapters/file/store.ts'
import { isMillpondError } from '../../src/errors.ts'
import { probeStore } from '../../src/store/probe.ts'
import type { Store } from '../../src/store/store.ts'
import { storeContract } from '../contract/store.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const keysOf = (store: Store, ...args: Parameters<Store['list']>) => Array.fromAsync(store.list(...args), ({ key }) => key)

let base: string
let count = 0

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'millpond-file-store-'))
})
afterAll(async () => {
  await rm(base, { recursive: true })
})

const newPath = () => join(base, String(count++))
const openNew = () => openFileStore({ path: newPath(), create: true })

/** A store, and the path of its root, to go behind its back. */
async function openBoth() {
  const root = newPath()
  return { root, store: await openFileStore({ path: root, create: true }) }
}

storeContract('file', openNew)

describe('openFileStore', () => {
  it('makes the folder only where it is told to', async () => {
    const path = join(newPath(), 'a', 'b')
    await expect(openFileStore({ path })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(path),
    })
    await using store = await openFileStore({ path, create: true })
    expect(store.name).toBe(pathToFileURL(path).href)
    await store.put('x', bytesOf('x'))
    await using again = await openFileStore({ path })
    expect(await keysOf(again, '')).toEqual(['x'])
  })

  it('refuses a file', async () => {
    const path = newPath()
    await writeFile(path, 'x')
    await expect(openFileStore({ path })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(openFileStore({ path, create: true })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })

  it('follows a symbolic link that is the root itself', async () => {
    const { root, store } = await openBoth()
    await store.put('a', bytesOf('x'))
    const path = newPath()
    await symlink(root, path)
    await using linked = await openFileStore({ path })
    expect(await keysOf(linked, '')).toEqual(['a'])
    expect(await linked.putIfAbsent('b/c', bytesOf('y'))).toBe('created')
    expect(textOf(await store.read('b/c'))).toBe('y')
    await store[Symbol.asyncDispose]()
  })

  it('removes what a crashed process left a day ago, and nothing that is younger', async () => {
    const root = newPath()
    await mkdir(join(root, '.millpond-tmp'), { recursive: true })
    for (const name of ['old', 'young']) await writeFile(join(root, '.millpond-tmp', name), 'x')
    const yesterday = new Date(Date.now() - 25 * 60 * 60 * 1000)
    await utimes(join(root, '.millpond-tmp', 'old'), yesterday, yesterday)
    await using store = await openFileStore({ path: root })
    expect(await readdir(join(root, '.millpond-tmp'))).toEqual(['young'])
    expect(await keysOf(store, '')).toEqual([])
  })

  it('gives a store that a probe takes', async () => {
    const { root, store } = await openBoth()
    await probeStore(store, { random: 'r' })
    await store[Symbol.asyncDispose]()
    expect(await readdir(root)).toEqual(['.millpond-tmp'])
    expect(await readdir(join(root, '.millpond-tmp'))).toEqual([])
  })
})

describe('a closed file store', () => {
  it('has given up its open writers and does nothing more', async () => {
    const { root, store } = await openBoth()
    const writer = await store.openWriter('a')
    await writer.write(bytesOf('x'))
    await store.put('b', bytesOf('y'))
    await store.read('b')
    await store[Symbol.asyncDispose]()
    expect(await readdir(join(root, '.millpond-tmp'))).toEqual([])
    await expect(writer.finish()).rejects.toMatchObject({ code: 'STOPPED' })
    for (const call of [
      store.read('b'),
      store.put('b', bytesOf('z')),
      store.openWriter('c'),
      store.delete('b'),
      keysOf(store, ''),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    }
    expect(await readFile(join(root, 'b'), 'utf8')).toBe('y')
  })
})

describe('a file store keeps to its folder', () => {
  it.each(['.millpond-tmp', '.millpond-tmp/x', '.MILLPOND-TMP/x'])(
    'and takes no key %s in the folder for its own use',
    async (key) => {
      await using store = await openNew()
      await store.put('a', bytesOf('x'))
      for (const call of [
        store.putIfAbsent(key, bytesOf('x')),
        store.read(key),
        store.size(key),
        store.delete(key),
        keysOf(store, `${key}/`),
      ]) {
        await expect(call).rejects.toMatchObject({ code: 'KEY_INVALID' })
      }
      expect(await keysOf(store, '.')).toEqual([])
      expect(await Array.fromAsync(store.folders(''))).toEqual([])
    },
  )

  it('where a folder in it is a symbolic link to elsewhere', async () => {
    const outside = newPath()
    await mkdir(join(outside, 'in'), { recursive: true })
    await writeFile(join(outside, 'secret'), 'secret')
    const { root, store } = await openBoth()
    await symlink(outside, join(root, 'link'))
    for (const key of ['link/secret', 'link/new', 'link/in/new', 'link/made/new']) {
      const refused = { code: 'KEY_INVALID' }
      await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject(refused)
      await expect(store.putIfAbsent(key, bytesOf('x'))).rejects.toMatchObject(refused)
      const writer = await store.openWriter(key)
      await writer.write(bytesOf('x'))
      await expect(writer.finish()).rejects.toMatchObject(refused)
      await expect(store.read(key)).rejects.toSatisfy(
        (error) => isMillpondError(error, 'KEY_INVALID') || isMillpondError(error, 'OBJECT_MISSING'),
      )
    }
    await expect(store.read('link/secret')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(store.delete('link/in/new')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(store.delete('link/secret')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(keysOf(store, 'link/')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(await keysOf(store, '')).toEqual([])
    expect(await Array.fromAsync(store.folders(''))).toEqual([])
    expect((await readdir(outside)).toSorted()).toEqual(['in', 'secret'])
    expect(await readdir(join(outside, 'in'))).toEqual([])
    expect(await readFile(join(outside, 'secret'), 'utf8')).toBe('secret')
    await store[Symbol.asyncDispose]()
  })

  it('where an object in it is a symbolic link to elsewhere', async () => {
    const outside = newPath()
    await writeFile(outside, 'secret')
    const { root, store } = await openBoth()
    await symlink(outside, join(root, 'link'))
    await symlink(join(base, 'nothing'), join(root, 'dangling'))
    await expect(store.read('link')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(await store.size('link')).toBeUndefined()
    expect(await keysOf(store, '')).toEqual([])
    await expect(store.putIfAbsent('link', bytesOf('x'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(store.putIfAbsent('dangling', bytesOf('x'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await store.put('link', bytesOf('ours'))
    expect(textOf(await store.read('link'))).toBe('ours')
    expect(await readFile(outside, 'utf8')).toBe('secret')
    await store[Symbol.asyncDispose]()
  })

  it('where its folder for unfinished writes is a symbolic link to elsewhere', async () => {
    const outside = newPath()
    await mkdir(outside)
    const { root, store } = await openBoth()
    await symlink(outside, join(root, '.millpond-tmp'))
    await expect(store.put('a', bytesOf('x'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(await readdir(outside)).toEqual([])
    await store[Symbol.asyncDispose]()
  })
})

describe('a file store whose files others change', () => {
  it('misses an object that was deleted while it was open', async () => {
    const { root, store } = await openBoth()
    await store.put('a/b', bytesOf('12345'))
    expect(textOf(await store.read('a/b', { start: 0, end: 2 }))).toBe('12')
    await unlink(join(root, 'a/b'))
    await expect(store.read('a/b', { start: 2, end: 4 })).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await writeFile(join(root, 'a/b'), 'again')
    expect(textOf(await store.read('a/b'))).toBe('again')
    await store[Symbol.asyncDispose]()
  })

  it('reads what replaced an object that was open', async () => {
    const { root, store } = await openBoth()
    await using other = await openFileStore({ path: root })
    await store.put('a', bytesOf('first'))
    expect(textOf(await store.read('a'))).toBe('first')
    await other.put('a', bytesOf('the second'))
    expect(textOf(await store.read('a'))).toBe('the second')
    await other.delete('a')
    await expect(store.read('a')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await store[Symbol.asyncDispose]()
  })

  it('reads on through more objects than it keeps open, some of them deleted', async () => {
    const { root, store } = await openBoth()
    const keys = Array.from({ length: 300 }, (_, at) => `o/${at}`)
    for (const key of keys) await store.put(key, bytesOf(`content of ${key}`))
    const read = (key: string) =>
      store.read(key, { start: 11, end: 99 }).then(textOf, (error: unknown) => (error as { code: string }).code)
    expect(await Promise.all([...keys, ...keys].map(read))).toEqual([...keys, ...keys])
    for (const key of keys.slice(200)) await unlink(join(root, key))
    const after = keys.map((key, at) => (at < 200 ? key : 'OBJECT_MISSING'))
    expect(await Promise.all([...keys, ...keys].map(read))).toEqual([...after, ...after])
    await store[Symbol.asyncDispose]()
    const open = await readdir('/proc/self/fd').catch(() => [])
    expect(open.length).toBeLessThan(200)
  })

  it('gives up what it cannot write, where a folder or an object is in the way', async () => {
    const { root, store } = await openBoth()
    await store.put('folder/object', bytesOf('x'))
    for (const key of ['folder', 'folder/object/below', 'folder/object/far/below']) {
      await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject({
        code: 'KEY_INVALID',
        message: expect.stringContaining(key),
      })
      await expect(store.putIfAbsent(key, bytesOf('x'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
      await expect(store.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
      await store.delete(key)
    }
    expect(await keysOf(store, '')).toEqual(['folder/object'])
    expect(await readdir(join(root, '.millpond-tmp'))).toEqual([])
    await store[Symbol.asyncDispose]()
  })

  it('takes nothing but ordinary files for objects, and does not hang on a pipe', async () => {
    const { root, store } = await openBoth()
    execFileSync('mkfifo', [join(root, 'pipe')])
    await expect(store.read('pipe')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
    await expect(store.putIfAbsent('pipe', bytesOf('x'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
    expect(await store.size('pipe')).toBeUndefined()
    expect(await keysOf(store, '')).toEqual([])
    await store[Symbol.asyncDispose]()
  })

  it('has no folders where a crashed writer left empty ones', async () => {
    const { root, store } = await openBoth()
    await mkdir(join(root, 'empty/inner'), { recursive: true })
    await store.put('full/inner/object', bytesOf('x'))
    expect(await Array.fromAsync(store.folders(''))).toEqual(['full'])
    await store.delete('full/inner/object')
    expect((await readdir(root)).toSorted()).toEqual(['.millpond-tmp', 'empty'])
    await store[Symbol.asyncDispose]()
  })

  it('tells that its folder is gone', async () => {
    const { root, store } = await openBoth()
    await store.put('a', bytesOf('x'))
    await rename(root, `${root}-away`)
    await expect(store.put('b', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await expect(store.putIfAbsent('b/c', bytesOf('x'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    await store[Symbol.asyncDispose]()
  })
})

describe('two file stores in one folder', () => {
  it('let one writer win, while others delete and prune around them', async () => {
    const { root, store } = await openBoth()
    await using other = await openFileStore({ path: root })
    for (let round = 0; round < 20; round++) {
      const key = `deep/er/${round % 3}/object`
      const writers = Array.from({ length: 10 }, (_, writer) => ({
        store: writer % 2 === 0 ? store : other,
        text: `${round} ${writer}`,
      }))
      const outcomes = await Promise.all([
        ...writers.map(({ store, text }) => store.putIfAbsent(key, bytesOf(text))),
        store.delete(`deep/er/${(round + 1) % 3}/none`),
        other.delete('deep/none'),
      ])
      const winners = writers.filter((_, writer) => outcomes[writer] === 'created')
      expect(winners).toHaveLength(1)
      expect(textOf(await other.read(key))).toBe(winners[0]?.text)
      await other.delete(key)
    }
    await store[Symbol.asyncDispose]()
  })

  it('make and prune the same folders side by side', async () => {
    const { root, store } = await openBoth()
    await using other = await openFileStore({ path: root })
    const work = async (worker: number) => {
      const mine = worker % 2 === 0 ? store : other
      for (let round = 0; round < 40; round++) {
        const key = `come/and/go/${worker}/${round}`
        expect(await mine.putIfAbsent(key, bytesOf(key))).toBe('created')
        await mine.put(key, bytesOf(key))
        expect(textOf(await mine.read(key))).toBe(key)
        await mine.delete(key)
      }
    }
    await Promise.all(Array.from({ length: 6 }, (_, worker) => work(worker)))
    expect(await readdir(root)).toEqual(['.millpond-tmp'])
    await store[Symbol.asyncDispose]()
  })
})

describe('listings of a file store', () => {
  it('of 20,000 objects come whole and in pages', async () => {
    const { root, store } = await openBoth()
    const keys = Array.from({ length: 20_000 }, (_, at) => `l/${at % 2 === 0 ? 'a' : 'a-b'}/${String(at).padStart(6, '0')}`)
    await Promise.all(['l/a', 'l/a-b'].map((folder) => mkdir(join(root, folder), { recursive: true })))
    for (const key of keys) writeFileSync(join(root, key), '')
    const sorted = keys.toSorted()
    expect(await keysOf(store, 'l/')).toEqual(sorted)
    const paged: string[] = []
    for (
      let page = await keysOf(store, '', { limit: 3000 });
      page.length > 0;
      page = await keysOf(store, '', { after: paged.at(-1) ?? '', limit: 3000 })
    ) {
      paged.push(...page)
    }
    expect(paged).toEqual(sorted)
    await store[Symbol.asyncDispose]()
  })

  it('look at objects when they are asked for, not all at the beginning', async () => {
    const { root, store } = await openBoth()
    await mkdir(join(root, 'f'))
    for (let at = 100; at < 600; at++) writeFileSync(join(root, 'f', String(at)), '')
    const seen: string[] = []
    for await (const { key } of store.list('f/')) {
      seen.push(key)
      // What is deleted now was listed by name before, and would be given had it been looked at as well.
      if (seen.length === 1) for (let at = 101; at < 599; at++) await unlink(join(root, 'f', String(at)))
    }
    expect(seen).toEqual(['f/100', 'f/599'])
    await store[Symbol.asyncDispose]()
  })

  it('are empty where the prefix names an object or nothing', async () => {
    await using store = await openNew()
    await store.put('a/b', bytesOf('x'))
    for (const prefix of ['a/b/', 'a/b/c/', 'none/', 'none/at/all/']) {
      expect(await keysOf(store, prefix)).toEqual([])
      expect(await Array.fromAsync(store.folders(prefix))).toEqual([])
    }
  })
})
