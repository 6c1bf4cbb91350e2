import type { Commit, CommitDraft, DeadLetter, Gap } from './commit.ts'
import type { BlockEntry, SegmentEntry } from '../encode/segment.ts'
import { removalFault } from './removal.ts'

const HASH = /^[0-9a-f]{64}$/u
const MAX_UINT32 = 2 ** 32 - 1

/** What is wrong with a commit whose look-up bytes are `lookupBytes` long, in words; undefined for one that may be trusted. */
export function commitFault(commit: Commit, lookupBytes: number): string | undefined {
  return (
    numberFault('firstPosition', commit.firstPosition) ??
    numberFault('nextPosition', commit.nextPosition) ??
    nameFault(commit) ??
    (Number.isSafeInteger(commit.timeMs) ? undefined : `the time ${commit.timeMs} is no safe integer`) ??
    (commit.kind === 'genesis' ? genesisFault(commit, lookupBytes) : dataFault(commit, lookupBytes))
  )
}

function nameFault(commit: Commit): string | undefined {
  for (const name of ['topic', 'topicId', 'lane', 'writer'] as const) {
    if (commit[name] === '') return `its ${name} is empty`
    if (!commit[name].isWellFormed()) return `its ${name} has half of a surrogate pair`
  }
  return undefined
}

function genesisFault(commit: Commit, lookupBytes: number): string | undefined {
  const holds = commit.segments.length + commit.gaps.length + commit.deadLetters.length + lookupBytes
  if (holds > 0 || commit.firstPosition !== commit.nextPosition) return 'it is genesis and covers something'
  const names = commit.previousSha256 !== '' || commit.replacedSha256 !== undefined || commit.removal !== undefined
  return names ? 'it is genesis and names a commit' : undefined
}

function dataFault(commit: Commit, lookupBytes: number): string | undefined {
  const beforeFault = commit.kind === 'rewrite' ? rewriteFault(commit) : hashFault(commit)
  if (beforeFault !== undefined) return beforeFault
  if (commit.nextPosition <= commit.firstPosition) {
    return `its nextPosition ${commit.nextPosition} does not rise above its firstPosition ${commit.firstPosition}`
  }
  return (
    segmentsFault(commit, lookupBytes) ??
    lettersFault(commit.deadLetters, commit) ??
    gapsFault(commit.gaps, commit.deadLetters, commit) ??
    accountFault(commit.firstPosition, commit)
  )
}

function hashFault({ previousSha256, replacedSha256, removal }: Commit): string | undefined {
  if (!HASH.test(previousSha256)) return 'it names no commit before it'
  if (removal !== undefined) return 'it is no rewrite and removes messages'
  return replacedSha256 === undefined ? undefined : 'it is no rewrite and replaces a commit'
}

function rewriteFault(commit: Commit): string | undefined {
  const { previousSha256, replacedSha256 = '', removal } = commit
  if (previousSha256 !== '' && !HASH.test(previousSha256)) return 'it does not name the rewrite before it'
  if (!HASH.test(replacedSha256)) return 'it names no commit that it replaces'
  return removal && removalFault(removal, commit)
}

/** Every position is a message, missing or a dead letter. */
function accountFault(firstPosition: number, draft: Omit<CommitDraft, 'lookupBytes'>): string | undefined {
  const covered = draft.nextPosition - firstPosition
  const messages = draft.segments.reduce((sum, segment) => sum + segment.count, 0)
  const missing = draft.gaps.reduce((sum, gap) => sum + gap.missing, 0)
  const letters = draft.deadLetters.length
  if (covered === messages + missing + letters) return undefined
  return `it covers ${covered} positions from ${firstPosition} on, but has ${messages} messages, ${missing} missing and ${letters} dead letters`
}

interface Covered {
  readonly firstPosition: number
  readonly nextPosition: number
}

function segmentsFault(commit: Commit, lookupBytes: number): string | undefined {
  let last = -1
  const keys = new Set<string>()
  for (const segment of commit.segments) {
    const fault = segmentFault(segment, commit, lookupBytes)
    if (fault !== undefined) return `segment ${segment.key}: ${fault}`
    // Segments of a layout that splits a lane may lie side by side, so only their beginnings rise.
    if (segment.firstPosition <= last) return `segment ${segment.key} begins at ${segment.firstPosition}, not behind ${last}`
    if (keys.has(segment.key)) return `segment ${segment.key} is named twice`
    keys.add(segment.key)
    for (const sibling of segment.siblings) {
      const siblingFault =
        (HASH.test(sibling.sha256) ? undefined : 'its SHA-256 is none') ??
        numberFault('bytes', sibling.bytes) ??
        (sibling.crc32c >= 0 && sibling.crc32c <= MAX_UINT32 ? undefined : 'its CRC-32C is none')
      if (siblingFault !== undefined) return `sibling ${sibling.key}: ${siblingFault}`
      if (sibling.key === '' || keys.has(sibling.key))
        return `sibling ${sibling.key} of segment ${segment.key} has no name of its own`
      keys.add(sibling.key)
    }
    last = segment.firstPosition
  }
  return undefined
}

function segmentFault(segment: SegmentEntry, covered: Covered, lookupBytes: number): string | undefined {
  if (segment.key === '') return 'its key is empty'
  if (!HASH.test(segment.sha256)) return 'its SHA-256 is none'
  const fault = rangeFault(segment) ?? numberFault('bytes', segment.bytes) ?? blocksFault(segment)
  if (fault !== undefined) return fault
  if (segment.firstPosition < covered.firstPosition || segment.lastPosition >= covered.nextPosition) {
    return `its positions ${segment.firstPosition} to ${segment.lastPosition} leave those of the commit`
  }
  for (const lookup of segment.lookups) {
    if (lookup.buckets.length !== segment.blocks.length) return `the look-up of ${lookup.field} is not one filter a block`
    for (const number of [lookup.slices, lookup.offset, lookup.bytes, ...lookup.buckets]) {
      if (!(Number.isSafeInteger(number) && number >= 0)) return `the look-up of ${lookup.field} has the number ${number}`
    }
    if (lookup.slices < 1 || lookup.offset + lookup.bytes > lookupBytes)
      return `the look-up of ${lookup.field} leaves the look-up bytes`
  }
  return undefined
}

type Ranged = Omit<BlockEntry, 'offset'>

function rangeFault(part: Ranged): string | undefined {
  const fault =
    numberFault('count', part.count) ??
    numberFault('firstPosition', part.firstPosition) ??
    numberFault('lastPosition', part.lastPosition)
  if (fault !== undefined) return fault
  const span = part.lastPosition - part.firstPosition + 1
  if (part.count < 1 || part.count > span)
    return `${part.count} messages do not fit in positions ${part.firstPosition} to ${part.lastPosition}`
  if (
    !Number.isSafeInteger(part.minTimestamp) ||
    !Number.isSafeInteger(part.maxTimestamp) ||
    part.minTimestamp > part.maxTimestamp
  ) {
    return `its timestamps ${part.minTimestamp} to ${part.maxTimestamp} are none`
  }
  const isChecksum = Number.isSafeInteger(part.crc32c) && part.crc32c >= 0 && part.crc32c <= MAX_UINT32
  return isChecksum ? undefined : `its CRC-32C ${part.crc32c} is none`
}

/** The block table must lie in the segment in order and add up to it. */
function blocksFault(segment: SegmentEntry): string | undefined {
  let end = 0
  let last = -1
  let count = 0
  let minTimestamp = Infinity
  let maxTimestamp = -Infinity
  for (const [ordinal, block] of segment.blocks.entries()) {
    const fault = rangeFault(block) ?? numberFault('offset', block.offset) ?? numberFault('bytes', block.bytes)
    if (fault !== undefined) return `block ${ordinal}: ${fault}`
    if (block.offset < end || block.bytes < 1) return `block ${ordinal} begins at byte ${block.offset}, not behind byte ${end}`
    if (block.firstPosition <= last) return `block ${ordinal} begins at position ${block.firstPosition}, not behind ${last}`
    end = block.offset + block.bytes
    last = block.lastPosition
    count += block.count
    minTimestamp = Math.min(minTimestamp, block.minTimestamp)
    maxTimestamp = Math.max(maxTimestamp, block.maxTimestamp)
  }
  if (end > segment.bytes) return `its blocks end at byte ${end} of ${segment.bytes}`
  const isSum =
    count === segment.count &&
    segment.blocks[0]?.firstPosition === segment.firstPosition &&
    last === segment.lastPosition &&
    minTimestamp === segment.minTimestamp &&
    maxTimestamp === segment.maxTimestamp
  return isSum ? undefined : 'its blocks do not add up to it'
}

function lettersFault(letters: readonly DeadLetter[], covered: Covered): string | undefined {
  let last = covered.firstPosition - 1
  for (const { position } of letters) {
    if (!Number.isSafeInteger(position) || position <= last || position >= covered.nextPosition) {
      return `the dead letter at ${position} does not lie between ${last} and ${covered.nextPosition}`
    }
    last = position
  }
  return undefined
}

function gapsFault(gaps: readonly Gap[], letters: readonly DeadLetter[], covered: Covered): string | undefined {
  let end = covered.firstPosition
  let letter = 0
  for (const gap of gaps) {
    const isRange =
      Number.isSafeInteger(gap.firstPosition) && Number.isSafeInteger(gap.nextPosition) && gap.firstPosition < gap.nextPosition
    const name = `the gap from ${gap.firstPosition} to before ${gap.nextPosition}`
    if (!isRange || gap.firstPosition < end || gap.nextPosition > covered.nextPosition) {
      return `${name} does not lie between ${end} and ${covered.nextPosition}`
    }
    let lettersInside = 0
    for (; letter < letters.length && letters[letter]!.position < gap.nextPosition; letter++) {
      if (letters[letter]!.position >= gap.firstPosition) lettersInside++
    }
    const room = gap.nextPosition - gap.firstPosition - lettersInside
    if (!Number.isSafeInteger(gap.missing) || gap.missing < 1 || gap.missing > room)
      return `${name} cannot miss ${gap.missing} positions`
    end = gap.nextPosition
  }
  return undefined
}

const numberFault = (name: string, value: number): string | undefined =>
  Number.isSafeInteger(value) && value >= 0 ? undefined : `its ${name} ${value} is no position or count`
