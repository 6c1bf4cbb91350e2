import { describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/adapters/memory/store.ts'
import { withPrefix } from '../../src/store/prefix.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

describe('a store below a prefix', () => {
  it('keeps everything under it and tells keys without it', async () => {
    const whole = createMemoryStore()
    const part = withPrefix(whole, 'some/folder/')
    expect(part.name).toBe('memory:/some/folder/')
    await part.put('a', bytesOf('put'))
    expect(await part.putIfAbsent('b/c', bytesOf('put if absent'))).toBe('created')
    expect(await part.putIfAbsent('b/c', bytesOf('again'))).toBe('exists')
    const writer = await part.openWriter('b/d')
    await writer.write(bytesOf('streamed'))
    expect(await writer.finish()).toBe('created')

    expect(await Array.fromAsync(whole.list(''), ({ key }) => key)).toEqual([
      'some/folder/a',
      'some/folder/b/c',
      'some/folder/b/d',
    ])
    expect(await Array.fromAsync(part.list(''), ({ key, bytes }) => `${key} ${bytes}`)).toEqual(['a 3', 'b/c 13', 'b/d 8'])
    expect(await Array.fromAsync(part.list('b/', { after: 'b/c', limit: 5 }), ({ key }) => key)).toEqual(['b/d'])
    expect(await Array.fromAsync(part.list('', { limit: 1 }), ({ key }) => key)).toEqual(['a'])
    expect(await Array.fromAsync(part.folders(''))).toEqual(['b'])
    expect(textOf(await part.read('b/d', { start: 6, end: 8 }))).toBe('ed')
    expect(await part.size('b/d')).toBe(8)
    await part.delete('b/d')
    expect(await part.size('b/d')).toBeUndefined()
  })

  it('does not see what lies beside it', async () => {
    const whole = createMemoryStore()
    await whole.put('some/folder', bytesOf('x'))
    await whole.put('some/folder2/a', bytesOf('x'))
    await whole.put('other/a', bytesOf('x'))
    const part = withPrefix(whole, 'some/folder/')
    expect(await Array.fromAsync(part.list(''))).toEqual([])
    expect(await Array.fromAsync(part.folders(''))).toEqual([])
    await expect(part.read('../folder2/a')).rejects.toMatchObject({ code: 'KEY_INVALID' })
    await expect(part.read('')).rejects.toMatchObject({ code: 'KEY_INVALID' })
  })

  it('is the store itself without one', () => {
    const whole = createMemoryStore()
    expect(withPrefix(whole, '')).toBe(whole)
  })

  it.each(['folder', '/', '../', 'a//'])('cannot have the prefix %j', (prefix) => {
    expect(() => withPrefix(createMemoryStore(), prefix)).toThrow(expect.objectContaining({ code: 'KEY_INVALID' }))
  })
})
