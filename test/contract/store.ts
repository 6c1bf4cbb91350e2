import { describe, expect, it } from 'vitest'
import type { ListedObject, Store } from '../../src/store/store.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** `count` bytes of which no two neighbouring stretches are alike. */
function patternOf(count: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(count)
  let state = seed | 1
  for (let at = 0; at < count; at++) {
    state = Math.imul(state, 1_664_525) + 1_013_904_223
    bytes[at] = state >>> 24
  }
  return bytes
}

async function listOf(
  store: Store,
  prefix: string,
  options?: { readonly after?: string; readonly limit?: number },
): Promise<ListedObject[]> {
  return Array.fromAsync(store.list(prefix, options))
}

const keysOf = async (...args: Parameters<typeof listOf>) => (await listOf(...args)).map((object) => object.key)

/** Keys in the order of their bytes, which is neither that of folders nor that of JavaScript's strings. */
const ordered = [
  'a-b',
  'a.b/x',
  'a/-',
  'a/b-c',
  'a/b/0',
  'a/b/c/d',
  'a/b0',
  'a0',
  'z/\u00e4\u00df',
  'z/\ud7ff',
  'z/\ue000',
  'z/\ufffd',
  'z/\u{1f600}',
  'z/\u{10ffff}',
]

const badKeys = [
  { key: '', because: 'it is empty' },
  { key: '/a', because: 'it begins with an empty segment' },
  { key: 'a/', because: 'it ends in an empty segment' },
  { key: 'a//b', because: 'it has an empty segment' },
  { key: '.', because: 'it names the folder itself' },
  { key: '..', because: 'it leads out' },
  { key: '../a', because: 'it leads out' },
  { key: 'a/../../b', because: 'it leads out on the way' },
  { key: 'a/./b', because: 'it has two names' },
  { key: 'a\0b', because: 'it has a NUL' },
  { key: 'a\nb', because: 'it has a line feed' },
  { key: 'a\u007fb', because: 'it has a DEL' },
  { key: 'a\u0085b', because: 'it has a control character of Latin-1' },
  { key: 'a\\..\\b', because: 'a backslash separates folders on Windows' },
  { key: 'a\ud800b', because: 'half a surrogate pair has no bytes' },
  { key: 'x'.repeat(256), because: 'a segment is longer than 255 bytes' },
  { key: '\u{1f600}'.repeat(64), because: 'a segment is longer than 255 bytes of UTF-8' },
  { key: `${'x'.repeat(204)}/`.repeat(5), because: 'it is longer than 1,024 bytes' },
]

/** What a server cannot do, through no fault of the store before it. */
export interface ServerLimits {
  /** It loses objects of a folder that becomes empty meanwhile. */
  readonly losesFolders?: boolean
}

/** What every store has to do. `open` gives a new and empty one each time. */
export function storeContract(name: string, open: () => Promise<Store>, { losesFolders = false }: ServerLimits = {}): void {
  describe(`${name} as a store`, () => {
    describe('objects', () => {
      it('are read as they were written', async () => {
        await using store = await open()
        const bytes = patternOf(3_000_017, 1)
        await store.put('some/object', bytes)
        expect(Buffer.compare(await store.read('some/object'), bytes)).toBe(0)
        expect(await store.size('some/object')).toBe(bytes.length)
      })

      it('may be empty', async () => {
        await using store = await open()
        expect(await store.putIfAbsent('none', new Uint8Array())).toBe('created')
        expect(await store.read('none')).toEqual(new Uint8Array())
        expect(await store.read('none', { start: 0, end: 10 })).toEqual(new Uint8Array())
        expect(await store.size('none')).toBe(0)
      })

      it('are replaced by put', async () => {
        await using store = await open()
        await store.put('a', bytesOf('first, and longer'))
        expect(textOf(await store.read('a'))).toBe('first, and longer')
        await store.put('a', bytesOf('second'))
        expect(textOf(await store.read('a'))).toBe('second')
        expect(await store.size('a')).toBe(6)
      })

      it('do not change when the bytes handed over change afterwards', async () => {
        await using store = await open()
        const bytes = bytesOf('kept')
        await store.put('a', bytes)
        bytes.fill(0)
        const given = await store.read('a')
        expect(textOf(given)).toBe('kept')
        given.fill(0)
        expect(textOf(await store.read('a'))).toBe('kept')
      })

      it('that are not there are missing', async () => {
        await using store = await open()
        await store.put('a/b', bytesOf('x'))
        for (const key of ['b', 'a', 'a/c', 'a/b/c']) {
          await expect(store.read(key)).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
          await expect(store.read(key, { start: 0, end: 1 })).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
          expect(await store.size(key)).toBeUndefined()
        }
      })

      it('are gone after delete, which may be repeated', async () => {
        await using store = await open()
        await store.put('a/b/c', bytesOf('x'))
        await store.put('a/d', bytesOf('y'))
        expect(textOf(await store.read('a/b/c'))).toBe('x')
        await store.delete('a/b/c')
        await store.delete('a/b/c')
        await store.delete('never/was')
        await store.delete('a')
        await expect(store.read('a/b/c')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
        expect(await keysOf(store, '')).toEqual(['a/d'])
        expect(await store.putIfAbsent('a/b/c', bytesOf('again'))).toBe('created')
        expect(textOf(await store.read('a/b/c'))).toBe('again')
      })

      it.each([
        '\u00e4\u00df\u20ac/\u{1f600}\u{1f469}\u200d\u{1f680}',
        ' leading and trailing ',
        'it\'s %41 & <b>?#+=;:*|"',
        '.hidden/..three',
      ])('have names of any printable characters: %s', async (key) => {
        await using store = await open()
        expect(await store.putIfAbsent(key, bytesOf(key))).toBe('created')
        expect(await store.putIfAbsent(key, bytesOf('other'))).toBe('exists')
        expect(textOf(await store.read(key))).toBe(key)
        expect(await keysOf(store, '')).toEqual([key])
        await store.delete(key)
        expect(await keysOf(store, '')).toEqual([])
      })

      it('have names of up to 1,024 bytes', async () => {
        await using store = await open()
        const key = [...Array.from({ length: 4 }, () => 'x'.repeat(203)), 'y'.repeat(208)].join('/')
        expect(key.length).toBe(1024)
        await store.put(key, bytesOf('long'))
        expect(await keysOf(store, '')).toEqual([key])
        expect(textOf(await store.read(key))).toBe('long')
      })

      it.each(badKeys)('have no name where $because', async ({ key }) => {
        await using store = await open()
        const refused = { code: 'KEY_INVALID' }
        await expect(store.put(key, bytesOf('x'))).rejects.toMatchObject(refused)
        await expect(store.putIfAbsent(key, bytesOf('x'))).rejects.toMatchObject(refused)
        await expect(store.openWriter(key)).rejects.toMatchObject(refused)
        await expect(store.read(key)).rejects.toMatchObject(refused)
        await expect(store.size(key)).rejects.toMatchObject(refused)
        await expect(store.delete(key)).rejects.toMatchObject(refused)
        expect(await keysOf(store, '')).toEqual([])
      })
    })

    describe('put-if-absent', () => {
      it('leaves what is there as it is', async () => {
        await using store = await open()
        expect(await store.putIfAbsent('a/b', bytesOf('first'))).toBe('created')
        expect(await store.putIfAbsent('a/b', bytesOf('second'))).toBe('exists')
        expect(await store.putIfAbsent('a/b', bytesOf('first'))).toBe('exists')
        expect(textOf(await store.read('a/b'))).toBe('first')
      })

      it('lets one of 50 racing writers win, whose bytes are there', async () => {
        await using store = await open()
        for (let round = 0; round < 5; round++) {
          const key = `race/${round}/object`
          const all = Array.from({ length: 50 }, (_, writer) => patternOf(1000 + writer, 1 + 50 * round + writer))
          const outcomes = await Promise.all(all.map((bytes) => store.putIfAbsent(key, bytes)))
          const winners = all.filter((_, writer) => outcomes[writer] === 'created')
          expect(winners).toHaveLength(1)
          expect(await store.read(key)).toEqual(winners[0])
        }
      })

      it('lets one win where plain and streamed writers race', async () => {
        await using store = await open()
        const all = Array.from({ length: 20 }, (_, writer) => patternOf(50_000 + writer, writer + 1))
        const outcomes = await Promise.all(
          all.map(async (bytes, at) => {
            if (at % 2 === 0) return store.putIfAbsent('race', bytes)
            const writer = await store.openWriter('race')
            await writer.write(bytes.subarray(0, 20_000))
            await writer.write(bytes.subarray(20_000))
            return writer.finish()
          }),
        )
        const winners = all.filter((_, at) => outcomes[at] === 'created')
        expect(winners).toHaveLength(1)
        expect(Buffer.compare(await store.read('race'), winners[0] ?? new Uint8Array())).toBe(0)
      })

      it('makes different objects side by side', async () => {
        await using store = await open()
        let next = 0
        const work = async () => {
          for (let at = next++; at < 320; at = next++) {
            const key = `side/${at % 7}/${at}`
            expect(await store.putIfAbsent(key, patternOf(500 + at, at))).toBe('created')
          }
        }
        await Promise.all(Array.from({ length: 16 }, work))
        for (let at = 0; at < 320; at++) expect(await store.read(`side/${at % 7}/${at}`)).toEqual(patternOf(500 + at, at))
        expect(await keysOf(store, 'side/')).toHaveLength(320)
      })

      it('makes objects where others are deleted side by side', async () => {
        await using store = await open()
        const staying = losesFolders ? ['come/and/go/stays'] : []
        for (const key of staying) await store.put(key, bytesOf('x'))
        const work = async (_: unknown, worker: number) => {
          for (let round = 0; round < 25; round++) {
            const key = `come/and/go/${worker}`
            expect(await store.putIfAbsent(key, bytesOf(key))).toBe('created')
            expect(textOf(await store.read(key))).toBe(key)
            await store.delete(key)
          }
        }
        await Promise.all(Array.from({ length: 8 }, work))
        expect(await keysOf(store, '')).toEqual(staying)
      })
    })

    describe('streamed writes', () => {
      it('are seen whole, and only when they are finished', async () => {
        await using store = await open()
        const bytes = patternOf(9_000_001, 3)
        const writer = await store.openWriter('big/one')
        for (let at = 0; at < bytes.length; at += 777_777) {
          await writer.write(bytes.subarray(at, at + 777_777))
          expect(await store.size('big/one')).toBeUndefined()
        }
        expect(await keysOf(store, '')).toEqual([])
        expect(await writer.finish()).toBe('created')
        expect(Buffer.compare(await store.read('big/one'), bytes)).toBe(0)
        await writer.abort()
        expect(await store.size('big/one')).toBe(bytes.length)
      })

      it('keep the order of writes that are not waited for, of any size', async () => {
        await using store = await open()
        const bytes = patternOf(2_000_000, 5)
        const writer = await store.openWriter('order')
        const writes: Promise<void>[] = []
        for (let at = 0, size = 0; at < bytes.length; at += size, size = (size * 7 + 1) % 5001) {
          writes.push(writer.write(bytes.subarray(at, at + size)))
        }
        await Promise.all(writes)
        expect(await writer.finish()).toBe('created')
        expect(Buffer.compare(await store.read('order'), bytes)).toBe(0)
      })

      it('say what they hold: no more than was written, nothing at the end', async () => {
        await using store = await open()
        const first = await store.openWriter('held/one')
        expect(first.heldBytes).toBe(0)
        for (let written = 50_000; written <= 1_000_000; written += 50_000) {
          await first.write(patternOf(50_000, written))
          expect(first.heldBytes).toBeLessThanOrEqual(written)
        }
        await first.finish()
        expect(first.heldBytes).toBe(0)
        const second = await store.openWriter('held/two')
        await second.write(patternOf(50_000, 4))
        await second.abort()
        expect(second.heldBytes).toBe(0)
      })

      it('may write nothing', async () => {
        await using store = await open()
        const writer = await store.openWriter('nothing')
        expect(await writer.finish()).toBe('created')
        expect(await store.size('nothing')).toBe(0)
      })

      it('do not replace what is there', async () => {
        await using store = await open()
        await store.put('taken', bytesOf('first'))
        const writer = await store.openWriter('taken')
        await writer.write(bytesOf('second'))
        expect(await writer.finish()).toBe('exists')
        expect(textOf(await store.read('taken'))).toBe('first')
      })

      it('leave nothing when they are aborted, and take nothing more', async () => {
        await using store = await open()
        const writer = await store.openWriter('given/up')
        await writer.write(patternOf(100_000, 7))
        await writer.abort()
        await writer.abort()
        await expect(writer.write(bytesOf('more'))).rejects.toMatchObject({ code: 'STOPPED' })
        await expect(writer.finish()).rejects.toMatchObject({ code: 'STOPPED' })
        expect(await keysOf(store, '')).toEqual([])
        expect(await store.putIfAbsent('given/up', bytesOf('x'))).toBe('created')
      })

      it('stop with their signal and leave nothing', async () => {
        await using store = await open()
        const stop = new AbortController()
        const writer = await store.openWriter('stopped', stop.signal)
        await writer.write(patternOf(100_000, 9))
        stop.abort(new Error('enough'))
        await expect(writer.write(bytesOf('more'))).rejects.toThrow('enough')
        await expect(writer.finish()).rejects.toThrow('enough')
        await writer.abort()
        expect(await keysOf(store, '')).toEqual([])
      })
    })

    describe('ranged reads', () => {
      it.each([
        { start: 0, end: 1 },
        { start: 0, end: 1000 },
        { start: 999, end: 1000 },
        { start: 10, end: 10 },
        { start: 500, end: 5000 },
        { start: 1000, end: 1001 },
        { start: 4000, end: 5000 },
        { start: 0, end: Number.MAX_SAFE_INTEGER },
      ])('give bytes $start to $end as far as 1,000 bytes have them', async ({ start, end }) => {
        await using store = await open()
        const bytes = patternOf(1000, 11)
        await store.put('a', bytes)
        expect(await store.read('a', { start, end })).toEqual(bytes.slice(start, end))
      })

      it.each([
        { start: -1, end: 1 },
        { start: 2, end: 1 },
        { start: 0.5, end: 1 },
        { start: 0, end: Number.NaN },
      ])('refuse $start to $end', async (range) => {
        await using store = await open()
        await store.put('a', bytesOf('x'))
        await expect(store.read('a', range)).rejects.toMatchObject({ code: 'INPUT_INVALID' })
      })

      it('of many objects side by side do not mix', async () => {
        await using store = await open()
        const objects = Array.from({ length: 100 }, (_, at) => patternOf(2000, at + 1))
        await Promise.all(objects.map((bytes, at) => store.put(`o/${at}`, bytes)))
        await Promise.all(
          Array.from({ length: 1000 }, async (_, read) => {
            const at = (read * 37) % 100
            const range = { start: read, end: read + 900 }
            expect(await store.read(`o/${at}`, range)).toEqual(objects[at]?.slice(range.start, range.end))
          }),
        )
      })
    })

    describe('listings', () => {
      it('are in the order of the bytes of whole keys', async () => {
        await using store = await open()
        for (const key of [...ordered].reverse()) await store.put(key, bytesOf(key))
        expect(await keysOf(store, '')).toEqual(ordered)
        for (const after of ordered) expect(await keysOf(store, '', { after })).toEqual(ordered.slice(ordered.indexOf(after) + 1))
        for (const prefix of ['a', 'a/', 'a/b', 'a/b/', 'a/b/c/d', 'z/', 'q', 'a/b/c/d/e']) {
          expect(await keysOf(store, prefix)).toEqual(ordered.filter((key) => key.startsWith(prefix)))
        }
      })

      it('begin after any text, be it a key or not', async () => {
        await using store = await open()
        for (const key of ['p/1', 'p/2/x', 'p/3']) await store.put(key, bytesOf(key))
        expect(await keysOf(store, 'p/', { after: '' })).toEqual(['p/1', 'p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'a' })).toEqual(['p/1', 'p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/' })).toEqual(['p/1', 'p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/1' })).toEqual(['p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/1/behind' })).toEqual(['p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/2' })).toEqual(['p/2/x', 'p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/2/x' })).toEqual(['p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/2/y' })).toEqual(['p/3'])
        expect(await keysOf(store, 'p/', { after: 'p/4' })).toEqual([])
        expect(await keysOf(store, 'p/', { after: 'q' })).toEqual([])
      })

      it('say how large objects are and when they were written', async () => {
        await using store = await open()
        const beforeMs = Date.now()
        await store.put('a', bytesOf('12345'))
        const [listed] = await listOf(store, '')
        expect(listed).toMatchObject({ key: 'a', bytes: 5 })
        // The clock of the store may be coarser than ours, or another one.
        expect(Math.abs((listed?.modifiedMs ?? 0) - beforeMs)).toBeLessThan(60_000)
      })

      it('of 2,500 keys are read page by page', async () => {
        await using store = await open()
        const keys = Array.from({ length: 2500 }, (_, at) => `many/${String(at % 3)}/${String(at).padStart(5, '0')}`)
        let next = 0
        const work = async () => {
          for (let key = keys[next++]; key !== undefined; key = keys[next++]) await store.putIfAbsent(key, bytesOf('x'))
        }
        await Promise.all(Array.from({ length: 16 }, work))
        const sorted = keys.toSorted()
        expect(await keysOf(store, '')).toEqual(sorted)
        expect(await keysOf(store, 'many/', { limit: 1 })).toEqual(sorted.slice(0, 1))
        expect(await keysOf(store, 'many/', { limit: 1001 })).toEqual(sorted.slice(0, 1001))
        expect(await keysOf(store, 'many/', { limit: 0 })).toEqual([])

        const paged: string[] = []
        for (let after = ''; ;) {
          const page = await keysOf(store, 'many/', { after, limit: 700 })
          paged.push(...page)
          after = page.at(-1) ?? ''
          if (page.length < 700) break
        }
        expect(paged).toEqual(sorted)
      })

      it('can be left at any point', async () => {
        await using store = await open()
        for (const key of ['a', 'b', 'c']) await store.put(key, bytesOf(key))
        for await (const { key } of store.list('')) {
          expect(key).toBe('a')
          break
        }
      })

      it.each(['../', 'a/../', '//', 'a\0', 'a//b'])('have no prefix %j', async (prefix) => {
        await using store = await open()
        await expect(keysOf(store, prefix)).rejects.toMatchObject({ code: 'KEY_INVALID' })
      })
    })

    describe('folders', () => {
      it('are the next segments, once each, in the order of keys', async () => {
        await using store = await open()
        for (const key of ['t/a/1', 't/a/2', 't/a-b/1', 't/a0/x/y', 't/file', 'u/x', '\u{1f600}/x', '\uffee/x', 'top']) {
          await store.put(key, bytesOf(key))
        }
        expect(await Array.fromAsync(store.folders(''))).toEqual(['t', 'u', '\uffee', '\u{1f600}'])
        expect(await Array.fromAsync(store.folders('t/'))).toEqual(['a-b', 'a', 'a0'])
        expect(await Array.fromAsync(store.folders('t/a/'))).toEqual([])
        expect(await Array.fromAsync(store.folders('none/'))).toEqual([])
        await store.delete('t/a0/x/y')
        expect(await Array.fromAsync(store.folders('t/'))).toEqual(['a-b', 'a'])
      })

      it('have a prefix that ends in "/"', async () => {
        await using store = await open()
        await expect(Array.fromAsync(store.folders('t'))).rejects.toMatchObject({ code: 'KEY_INVALID' })
      })
    })

    it('does nothing once its signal is aborted', async () => {
      await using store = await open()
      await store.put('a', bytesOf('x'))
      const signal = AbortSignal.abort(new Error('stopped before'))
      await expect(store.put('b', bytesOf('x'), signal)).rejects.toThrow('stopped before')
      await expect(store.putIfAbsent('b', bytesOf('x'), signal)).rejects.toThrow('stopped before')
      await expect(store.openWriter('b', signal)).rejects.toThrow('stopped before')
      await expect(store.read('a', undefined, signal)).rejects.toThrow('stopped before')
      await expect(store.size('a', signal)).rejects.toThrow('stopped before')
      await expect(store.delete('a', signal)).rejects.toThrow('stopped before')
      await expect(Array.fromAsync(store.list('', {}, signal))).rejects.toThrow('stopped before')
      await expect(Array.fromAsync(store.folders('', signal))).rejects.toThrow('stopped before')
      expect(await keysOf(store, '')).toEqual(['a'])
    })
  })
}
