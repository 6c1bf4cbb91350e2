import { createHash } from 'node:crypto'
import { parseSegmentKey } from '../layout/millpond.ts'
import { pathSegment } from '../layout/path-segment.ts'
import type { LaneId } from '../source/lane.ts'

/** Where every chain lies; data objects never do. */
export const CHAINS_PREFIX = '_millpond/'

const GENESIS_NAME = 'genesis.avro'
const COMMIT_NAME = /^(\d{16})-(0|[1-9]\d{0,15})\.avro$/u
const TOPIC_ID_DIGITS = 16

/** The part of a lane's keys that names topic and lane; segments lie under it, and commits under it behind `CHAINS_PREFIX`. */
export function laneFolder(lane: LaneId): string {
  return `${topicFolder(lane.topic)}/${pathSegment(lane.lane)}`
}

/** The folder of a lane whose usual one belongs to another topic of this name, one that was deleted. */
export function remadeLaneFolder(lane: LaneId): string {
  return `${topicFolder(lane.topic)}@${identityOf(lane)}/${pathSegment(lane.lane)}`
}

const identityOf = ({ topicId }: LaneId): string =>
  createHash('sha256').update(topicId, 'utf8').digest('hex').slice(0, TOPIC_ID_DIGITS)

/** The topic's name where names of objects are not made by us: a topic that was deleted and made again must not have those of the old one. */
export function topicNameOf(folder: string, lane: LaneId): string {
  return folder === laneFolder(lane) ? lane.topic : `${lane.topic}@${identityOf(lane)}`
}

/** True for the folders of the lanes of this name, of whatever topic. */
export const isLaneFolder = (folder: string, lane: string): boolean => folder.slice(folder.indexOf('/') + 1) === pathSegment(lane)

/** The first segment of the usual folder of every lane of the topic. */
export function topicFolder(topic: string): string {
  return pathSegment(topic)
}

/** True for the folder of the topic, and for those of topics of its name that were made again. */
export function isTopicFolder(name: string, topic: string): boolean {
  const usual = topicFolder(topic)
  return name === usual || (name.startsWith(`${usual}@`) && name.length === usual.length + 1 + TOPIC_ID_DIGITS)
}

/** What the keys of a topic's archived schemas begin with: no lane's folder begins with an underscore. */
export const schemasPrefix = (topic: string): string => `${CHAINS_PREFIX}${topicFolder(topic)}/_schemas/`

/** What the keys of a lane's notes of the wall clock begin with: beside the chain's folder, so that its listings stay short. */
export const clockPrefix = (folder: string): string => {
  const at = folder.lastIndexOf('/')
  return `${CHAINS_PREFIX}${folder.slice(0, at)}/_clock${folder.slice(at)}/`
}

/** The key of the note for the commit that begins at `firstPosition`. */
export const clockNoteKey = (folder: string, firstPosition: number): string =>
  `${clockPrefix(folder)}${String(firstPosition).padStart(16, '0')}.json`

/** The first position of the commit that a note is for; undefined for other keys. */
export function clockNotePosition(folder: string, key: string): number | undefined {
  const prefix = clockPrefix(folder)
  const digits = key.startsWith(prefix) ? /^(\d{16})\.json$/u.exec(key.slice(prefix.length))?.[1] : undefined
  return digits !== undefined && Number.isSafeInteger(Number(digits)) ? Number(digits) : undefined
}

/** What the keys of a chain's commits begin with. */
export const chainPrefix = (folder: string): string => `${CHAINS_PREFIX}${folder}/`

/** The key of the commit that begins a chain. */
export const genesisKey = (folder: string): string => `${chainPrefix(folder)}${GENESIS_NAME}`

/** The key of the commit that covers positions from `firstPosition` on: the larger it is, the earlier it is listed. */
export function commitKey(folder: string, firstPosition: number): string {
  const countdown = String(Number.MAX_SAFE_INTEGER - firstPosition).padStart(16, '0')
  return `${chainPrefix(folder)}${countdown}-${firstPosition}.avro`
}

/** What a key in a chain's folder names: a commit by its first position, the genesis commit, or nothing of ours. */
export function parseCommitKey(key: string): number | 'genesis' | undefined {
  const name = key.slice(key.lastIndexOf('/') + 1)
  if (name === GENESIS_NAME) return 'genesis'
  const found = COMMIT_NAME.exec(name)
  if (found === null) return undefined
  const firstPosition = Number(found[2])
  return Number(found[1]) === Number.MAX_SAFE_INTEGER - firstPosition ? firstPosition : undefined
}

/** What the keys of the rewrites of a topic's lanes begin with: no lane's folder begins with an underscore. */
export const REWRITES_FOLDER = '_rewrites'

/** What the keys of a chain's rewrites begin with. */
export function rewritesPrefix(folder: string): string {
  const slash = folder.indexOf('/')
  return `${CHAINS_PREFIX}${folder.slice(0, slash)}/${REWRITES_FOLDER}${folder.slice(slash)}/`
}

/** The key of the rewrite of a chain that `sequence` others came before: the larger it is, the earlier it is listed. */
export function rewriteKey(folder: string, sequence: number): string {
  return `${rewritesPrefix(folder)}${String(Number.MAX_SAFE_INTEGER - sequence).padStart(16, '0')}-${sequence}.avro`
}

/** The sequence of the rewrite that a key names; undefined for any other. */
export function parseRewriteKey(key: string): number | undefined {
  const named = key.split('/').at(-3) === REWRITES_FOLDER ? parseCommitKey(key) : undefined
  return named === 'genesis' ? undefined : named
}

/** Who a segment that a rewrite makes is written by, in its name: so it is known which rewrite alone may name it. */
export const rewriter = (sequence: number, writer: string): string => `rewrite-${sequence}-${writer}`

/** The sequence of the one rewrite that may name a data object of this key; undefined where no rewrite makes such a name. */
export function rewriteOf(key: string): number | undefined {
  const found = /^rewrite-(\d{1,16})-/u.exec(parseSegmentKey(key)?.writer ?? '')
  return found === null ? undefined : Number(found[1])
}

/** The position that a data object's name begins with, for names of the `millpond` layout in the lane's folder; undefined for other keys. */
export function segmentPosition(folder: string, key: string): number | undefined {
  const name = parseSegmentKey(key)
  return name?.folder === folder ? name.firstPosition : undefined
}

/** What the keys of a topic's records of legal holds begin with: no lane's folder begins with an underscore. */
export const HOLDS_FOLDER = '_holds'

/** What the keys of a topic's holds begin with; all topics of one name share them, also those that were made again. */
export const holdsPrefix = (topic: string): string => `${CHAINS_PREFIX}${topicFolder(topic)}/${HOLDS_FOLDER}/`

/** The key of the record of a topic's hold that `sequence` others came before: the larger it is, the earlier it is listed. */
export const holdKey = (topic: string, sequence: number): string =>
  `${holdsPrefix(topic)}${String(Number.MAX_SAFE_INTEGER - sequence).padStart(16, '0')}-${sequence}.json`

/** The sequence of the record that a key names; undefined for any other. */
export function parseHoldKey(key: string): number | undefined {
  const named = key.endsWith('.json') ? parseCommitKey(key.replace(/\.json$/u, '.avro')) : undefined
  return named === 'genesis' ? undefined : named
}
