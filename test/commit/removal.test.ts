import { describe, expect, it } from 'vitest'
import { type Removal, removalFault } from '../../src/commit/removal.ts'

const hash = 'ab'.repeat(32)
const segment = {
  key: 'orders/0/0-w.avro',
  bytes: 900,
  sha256: hash,
  count: 20,
  firstPosition: 10,
  lastPosition: 29,
  minTimestamp: -5,
  maxTimestamp: 5,
}
const expired: Removal = { kind: 'expired', by: 'me', why: '', salt: '', subjects: [], messages: 20, segments: [segment] }
const forgotten: Removal = { ...expired, kind: 'forgotten', salt: 'cd'.repeat(16), subjects: [hash], messages: 3 }
const covered = { firstPosition: 10, nextPosition: 30 }

describe('removalFault', () => {
  it('trusts what is whole', () => {
    expect([removalFault(expired, covered), removalFault(forgotten, covered)]).toEqual([undefined, undefined])
  })

  it.each<{ because: string; removal: Removal; fault: RegExp }>([
    { because: 'nothing goes', removal: { ...expired, messages: 0 }, fault: /removes 0 messages/u },
    { because: 'more goes than there was', removal: { ...expired, messages: 21 }, fault: /never had 21/u },
    { because: 'it forgets nobody', removal: { ...forgotten, subjects: [] }, fault: /0 subjects/u },
    { because: 'it expires somebody', removal: { ...forgotten, kind: 'expired' }, fault: /1 subjects that they are expired/u },
    { because: 'a subject is told in clear', removal: { ...forgotten, subjects: ['key-7'] }, fault: /told by hashes/u },
    { because: 'the salt is none', removal: { ...forgotten, salt: 'salt' }, fault: /told by hashes/u },
    { because: 'who asks is no text', removal: { ...expired, by: '\ud800' }, fault: /surrogate/u },
    {
      because: 'a segment lies elsewhere',
      removal: { ...expired, segments: [{ ...segment, lastPosition: 30 }] },
      fault: /leaves the positions/u,
    },
    { because: 'a segment has no hash', removal: { ...expired, segments: [{ ...segment, sha256: '' }] }, fault: /no SHA-256/u },
    {
      because: 'a number is none',
      removal: { ...expired, segments: [{ ...segment, bytes: -1 }] },
      fault: /numbers that are none/u,
    },
    {
      because: 'timestamps are the wrong way round',
      removal: { ...expired, segments: [{ ...segment, minTimestamp: 6 }] },
      fault: /timestamps that are none/u,
    },
  ])('refuses a removal where $because', ({ removal, fault }) => {
    expect(removalFault(removal, covered)).toMatch(fault)
  })
})
