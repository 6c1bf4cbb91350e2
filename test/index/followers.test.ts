import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shareOf } from '../../src/index/followers.ts'

const folders = Array.from({ length: 300 }, (_, i) => `orders/${i}`)
const roles = fc.constantFrom('follow-', 'serve-')
const followers = fc.uniqueArray(
  fc.tuple(roles, fc.string({ minLength: 1, maxLength: 8 })).map((words) => words.join('')),
  { minLength: 1, maxLength: 6 },
)

describe('sharing chains among followers', () => {
  it('deals each chain to exactly one of those that live', () => {
    fc.assert(
      fc.property(followers, (alive) => {
        const shares = alive.map((own) => shareOf(own, alive))
        for (const folder of folders.slice(0, 30)) expect(shares.filter((isMine) => isMine(folder))).toHaveLength(1)
      }),
    )
  })

  it('moves nothing but the chains of the one that comes or goes', () => {
    const alive = ['follow-a', 'follow-b', 'follow-c', 'follow-d']
    const owner = (names: readonly string[], folder: string) => names.find((own) => shareOf(own, names)(folder))
    const fewer = alive.slice(0, 3)
    const moved = folders.filter((folder) => owner(alive, folder) !== owner(fewer, folder))
    expect(moved.every((folder) => owner(alive, folder) === 'follow-d')).toBe(true)
    for (const own of alive) {
      const count = folders.filter(shareOf(own, alive)).length
      expect(count).toBeGreaterThan(40)
      expect(count).toBeLessThan(120)
    }
  })

  it('leaves the chains to those whose work it is, where there are some', () => {
    expect(folders.filter(shareOf('serve-a', ['follow-b', 'serve-a']))).toEqual([])
    expect(folders.filter(shareOf('follow-b', ['follow-b', 'serve-a']))).toEqual(folders)
    expect(folders.filter(shareOf('serve-a', ['serve-a']))).toEqual(folders)
  })

  it('takes everything where others alone are known, so that nothing is left', () => {
    expect(folders.filter(shareOf('serve-a', []))).toEqual(folders)
  })
})
