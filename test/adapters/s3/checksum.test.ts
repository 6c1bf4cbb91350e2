import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { digestOf, encodeCrc32c, matchesChecksums } from '../../../src/adapters/s3/checksum.ts'
import { crc32c } from '../../../src/kernel/checksum.ts'

const piecesOf = (...pieces: Uint8Array[]) => ({ pieces, bytes: pieces.reduce((sum, { length }) => sum + length, 0) })
const text = (content: string) => new TextEncoder().encode(content)

describe('encodeCrc32c', () => {
  it('writes the check value of CRC-32C as S3 does', () => {
    expect(encodeCrc32c(crc32c(text('123456789')))).toBe(Buffer.from('e3069283', 'hex').toString('base64'))
  })
})

describe('digestOf', () => {
  const object = piecesOf(text('one '), text('and two'))
  const sha256 = createHash('sha256').update('one and two')

  it.each([
    {
      rules: { checksum: 'crc32c', signPayload: false },
      fields: { ChecksumCRC32C: encodeCrc32c(crc32c(text('one and two'))) },
      isSigned: false,
    },
    {
      rules: { checksum: 'sha256', signPayload: true },
      fields: { ChecksumSHA256: sha256.copy().digest('base64') },
      isSigned: true,
    },
    { rules: { checksum: 'none', signPayload: true }, fields: {}, isSigned: true },
    { rules: { checksum: 'none', signPayload: false }, fields: {}, isSigned: false },
  ] as const)('gives what $rules ask for', ({ rules, fields, isSigned }) => {
    const digest = digestOf(object, rules)
    expect(digest.fields).toEqual(fields)
    expect(digest.signed).toBe(isSigned ? sha256.copy().digest('hex') : 'UNSIGNED-PAYLOAD')
  })
})

describe('matchesChecksums', () => {
  const bytes = text('what was stored')
  const crc = encodeCrc32c(crc32c(bytes))
  const sha256 = createHash('sha256').update(bytes).digest('base64')

  it.each([
    { given: { ChecksumCRC32C: crc }, matches: true, because: 'it is the CRC-32C' },
    { given: { ChecksumCRC32C: encodeCrc32c(1) }, matches: false, because: 'it is another' },
    { given: { ChecksumCRC32C: crc, ChecksumType: 'FULL_OBJECT' }, matches: true, because: 'parts have one of the whole' },
    { given: { ChecksumSHA256: sha256 }, matches: true, because: 'it is the SHA-256' },
    { given: { ChecksumSHA256: crc }, matches: false, because: 'it is another' },
    { given: { ChecksumSHA256: 'abc=-3' }, matches: true, because: 'it is one of checksums of parts' },
    { given: { ChecksumCRC32C: 'abc=', ChecksumType: 'COMPOSITE' }, matches: true, because: 'it is said to be one of parts' },
    { given: {}, matches: true, because: 'there is none' },
  ])('is $matches for $given: $because', ({ given, matches }) => {
    expect(matchesChecksums(bytes, given)).toBe(matches)
  })
})
