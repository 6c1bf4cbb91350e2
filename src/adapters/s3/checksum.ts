import { createHash } from 'node:crypto'
import { crc32c } from '../../kernel/checksum.ts'
import { crc32cOfPieces, type Pieces } from '../../store/part-writer.ts'
import type { S3Checksum } from './options.ts'

/** CRC-32C as S3 writes it: big-endian, base64. */
export function encodeCrc32c(crc: number): string {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(crc)
  return bytes.toString('base64')
}

/** What is known of bytes before they are sent. */
export interface Digest {
  /** As S3 takes it with the bytes. */
  readonly fields: { readonly ChecksumCRC32C?: string; readonly ChecksumSHA256?: string }
  /** NaN where it is not asked for. */
  readonly crc: number
  /** What stands for the bytes in the signature. */
  readonly signed: string
}

/** How bytes are summed up. */
export interface DigestRules {
  readonly checksum: S3Checksum
  readonly signPayload: boolean
}

/** Sums up what is to be sent; SHA-256 is counted once, also where checksum and signature both need it. */
export function digestOf(object: Pieces, { checksum, signPayload }: DigestRules): Digest {
  const sha256 = checksum === 'sha256' || signPayload ? sha256OfPieces(object) : undefined
  const signed = sha256 !== undefined && signPayload ? sha256.toString('hex') : 'UNSIGNED-PAYLOAD'
  if (checksum === 'crc32c') {
    const crc = crc32cOfPieces(object)
    return { fields: { ChecksumCRC32C: encodeCrc32c(crc) }, crc, signed }
  }
  const fields = checksum === 'sha256' && sha256 !== undefined ? { ChecksumSHA256: sha256.toString('base64') } : {}
  return { fields, crc: NaN, signed }
}

function sha256OfPieces({ pieces }: Pieces): Buffer {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest()
}

/** The checksums of an answer, as S3 gives them. */
export interface GivenChecksums {
  readonly ChecksumType?: string | undefined
  readonly ChecksumCRC32C?: string | undefined
  readonly ChecksumSHA256?: string | undefined
}

/** Whether whole bytes are those whose checksums came with them; true where none came that can be checked. */
export function matchesChecksums(bytes: Uint8Array, given: GivenChecksums): boolean {
  // Of an object in parts, S3 may know only a checksum of checksums: "…-3".
  const { ChecksumType: type, ChecksumCRC32C: crc = '-', ChecksumSHA256: sha256 = '-' } = given
  if (type === 'COMPOSITE') return true
  if (!crc.includes('-')) return encodeCrc32c(crc32c(bytes)) === crc
  return sha256.includes('-') || createHash('sha256').update(bytes).digest('base64') === sha256
}
