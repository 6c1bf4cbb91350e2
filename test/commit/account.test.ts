import { array, assert, constantFrom, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openAccount } from '../../src/commit/account.ts'

const block = (firstPosition: number, lastPosition: number, count = lastPosition + 1 - firstPosition) => ({
  firstPosition,
  lastPosition,
  count,
})

describe('the account of positions', () => {
  it('has nothing to say before anything came', () => {
    expect(openAccount(5)).toMatchObject({ isOpen: false, nextPosition: 5, endPosition: 5 })
  })

  it('records what lies between blocks and what is missing inside of them', () => {
    const account = openAccount(0)
    account.addBlock(block(3, 9))
    account.addBlock(block(20, 29, 4))
    expect(account.nextPosition).toBe(30)
    expect(account.close(30).gaps).toEqual([
      { firstPosition: 0, nextPosition: 3, missing: 3, reason: 'skipped' },
      { firstPosition: 10, nextPosition: 30, missing: 16, reason: 'skipped' },
    ])
  })

  it('keeps dead letters that lie behind the commit for the next one', () => {
    const account = openAccount(0)
    account.addDeadLetter({ position: 2, reason: 'a' })
    account.addDeadLetter({ position: 7, reason: 'b' })
    account.addBlock(block(0, 4, 4))
    expect(account.close(5)).toEqual({ gaps: [], deadLetters: [{ position: 2, reason: 'a' }] })
    expect(account.isOpen).toBe(true)
    account.addBlock(block(5, 9, 4))
    expect(account.close(10)).toEqual({ gaps: [], deadLetters: [{ position: 7, reason: 'b' }] })
    expect(account.isOpen).toBe(false)
  })

  it('covers dead letters at the end that no block follows', () => {
    const account = openAccount(0)
    account.addDeadLetter({ position: 4, reason: 'a' })
    expect(account.endPosition).toBe(5)
    expect(account.close(5)).toEqual({
      gaps: [{ firstPosition: 0, nextPosition: 5, missing: 4, reason: 'skipped' }],
      deadLetters: [{ position: 4, reason: 'a' }],
    })
  })

  it('accounts for every position, whatever was skipped, encoded or dead, and wherever it is cut', () => {
    const kinds = array(constantFrom('message', 'dead', 'skipped', 'block end', 'commit'), { maxLength: 200 })
    assert(
      property(kinds, (steps) => {
        const account = openAccount(0)
        let position = 0
        let first = 0
        let pending: number[] = []
        let covered = 0
        const seal = () => {
          if (pending.length > 0) account.addBlock(block(pending[0]!, pending.at(-1)!, pending.length))
          covered += pending.length
          pending = []
        }
        const commit = () => {
          seal()
          const next = account.endPosition
          const { gaps, deadLetters } = account.close(next)
          const missing = gaps.reduce((sum, gap) => sum + gap.missing, 0)
          expect(covered + missing + deadLetters.length).toBe(next - first)
          for (const gap of gaps) expect(gap.missing).toBeLessThanOrEqual(gap.nextPosition - gap.firstPosition)
          first = next
          covered = 0
        }
        for (const step of steps) {
          if (step === 'block end') seal()
          else if (step === 'commit') commit()
          else {
            if (step === 'message') pending.push(position)
            if (step === 'dead') account.addDeadLetter({ position, reason: '' })
            position += 1
          }
        }
        commit()
      }),
    )
  })
})
