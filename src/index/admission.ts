import type { StoredCommit } from '../commit/commit.ts'
import { linkOf } from '../commit/rewrites.ts'
import { MillpondError } from '../errors.ts'
import { laneName } from '../source/lane.ts'
import { REMEDY } from './segment-index.ts'
import type { IndexedLane } from './segment-index.ts'

/** What an index knows where a commit or rewrite is to be put. */
export interface KnownPlace<Lane extends IndexedLane> {
  /** The lane; undefined where nothing of it is known. */
  readonly lane: Lane | undefined
  /** SHA-256 (hex) of the commit or rewrite that is known in the very place; undefined where there is none. */
  readonly sha256: string | undefined
}

/**
 * Whether a commit is one that the index has, or is to be added: `new` under its lane, `genesis` as the first of a lane.
 * @throws MillpondError `INDEX_GAP` where it does neither.
 */
export function admitCommit(commit: StoredCommit, { lane, sha256 }: KnownPlace<IndexedLane>): 'known' | 'new' | 'genesis' {
  if (lane === undefined) {
    if (commit.kind !== 'genesis') throw gap(commit, 'its chain is not known; the genesis commit comes first')
    return 'genesis'
  }
  if (sha256 === commit.sha256) return 'known'
  if (sha256 !== undefined || commit.firstPosition < lane.nextPosition)
    throw gap(commit, `the index knows another commit for that position; ${REMEDY}`)
  if (commit.firstPosition !== lane.nextPosition)
    throw gap(commit, `the index knows the lane up to position ${lane.nextPosition}`)
  if (commit.previousSha256 !== lane.headSha256) throw gap(commit, `it follows another commit than the index knows; ${REMEDY}`)
  return 'new'
}

/**
 * Whether a rewrite is one that the index has, or is to be applied to the lane, which is given then.
 * @throws MillpondError `INDEX_GAP` where it does not follow what is known.
 */
export function admitRewrite<Lane extends IndexedLane>(
  rewrite: StoredCommit,
  { lane, sha256 }: KnownPlace<Lane>,
): 'known' | Lane {
  const { sequence } = linkOf(rewrite)
  if (lane === undefined) throw gap(rewrite, 'its chain is not known')
  if (sha256 === rewrite.sha256) return 'known'
  if (sha256 !== undefined || sequence < lane.rewrites)
    throw gap(rewrite, `the index knows another rewrite in its place; ${REMEDY}`)
  if (sequence !== lane.rewrites || rewrite.nextPosition > lane.nextPosition)
    throw gap(rewrite, `the index knows ${lane.rewrites} rewrites, and the lane up to position ${lane.nextPosition}`)
  if (rewrite.previousSha256 !== lane.rewriteSha256)
    throw gap(rewrite, `it follows another rewrite than the index knows; ${REMEDY}`)
  return lane
}

function gap(commit: StoredCommit, why: string): MillpondError {
  const { firstPosition, nextPosition, key } = commit
  return new MillpondError(
    'INDEX_GAP',
    `the commit of ${laneName(commit)} from position ${firstPosition} cannot be indexed: ${why}`,
    { details: { key, firstPosition, nextPosition } },
  )
}
