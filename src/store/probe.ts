import { isMillpondError, MillpondError } from '../errors.ts'
import type { Store } from './store.ts'

/** Where a probe writes. No topic's folder begins with an underscore, so it is in nobody's way. */
const PROBE_PREFIX = '_probe/'
const RACING_WRITERS = 8

export interface ProbeOptions {
  /** A path segment that no other probe uses. */
  readonly random: string
}

/** What a check found: undefined where the store does what it has to, otherwise what it did instead. */
type Fault = string | undefined

interface Check {
  readonly store: Store
  readonly prefix: string
  readonly signal: AbortSignal | undefined
}

const bytesOf = (text: string) => new TextEncoder().encode(text)
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/**
 * Proves with a few small objects that the store keeps its promises, above all that put-if-absent makes an object once, which the commit
 * chain stands on. Leaves nothing behind.
 * @throws MillpondError `STORE_UNSAFE`, which names what the store did instead; what the store itself throws.
 */
export async function probeStore(store: Store, { random }: ProbeOptions, signal?: AbortSignal): Promise<void> {
  const check: Check = { store, prefix: `${PROBE_PREFIX}${random}/`, signal }
  try {
    for (const findFault of [putsOnce, racesOnce, streamsOnce, readsRanges, lists, deletes]) {
      const fault = await findFault(check)
      if (fault === undefined) continue
      throw new MillpondError('STORE_UNSAFE', `${store.name} cannot hold an archive: ${fault}`, {
        details: { store: store.name, fault },
      })
    }
  } catch (error) {
    // The first error is the one that says what is wrong.
    await removeAll(check).catch(() => undefined)
    throw error
  }
}

async function removeAll({ store, prefix }: Check): Promise<void> {
  const keys = await Array.fromAsync(store.list(prefix), (object) => object.key)
  for (const key of keys) await store.delete(key)
}

async function putsOnce({ store, prefix, signal }: Check): Promise<Fault> {
  const key = `${prefix}b/once`
  const first = await store.putIfAbsent(key, bytesOf('first'), signal)
  if (first !== 'created') return 'put-if-absent of a new key answered that it exists'
  const second = await store.putIfAbsent(key, bytesOf('second'), signal)
  const held = textOf(await store.read(key, undefined, signal))
  if (held !== 'first') return 'put-if-absent replaced an object that was there'
  if (second !== 'exists') return 'put-if-absent answered twice that it made the same object'
  return undefined
}

async function racesOnce({ store, prefix, signal }: Check): Promise<Fault> {
  const key = `${prefix}b-race`
  const texts = Array.from({ length: RACING_WRITERS }, (_, writer) => `writer ${writer}`)
  const outcomes = await Promise.all(texts.map((text) => store.putIfAbsent(key, bytesOf(text), signal)))
  const winners = texts.filter((_, writer) => outcomes[writer] === 'created')
  if (winners.length !== 1) return `${winners.length} of ${RACING_WRITERS} racing writers were told that they made one object`
  const held = textOf(await store.read(key, undefined, signal))
  return held === winners[0] ? undefined : 'the writer that was told that it won a race is not the one whose bytes are there'
}

async function streamsOnce({ store, prefix, signal }: Check): Promise<Fault> {
  const taken = await store.openWriter(`${prefix}b/once`, signal)
  await taken.write(bytesOf('streamed'))
  if ((await taken.finish()) !== 'exists') return 'a streamed write answered that it made an object that was there'
  if (textOf(await store.read(`${prefix}b/once`, undefined, signal)) !== 'first')
    return 'a streamed write replaced an object that was there'

  const key = `${prefix}a/streamed`
  const writer = await store.openWriter(key, signal)
  await writer.write(bytesOf('in two '))
  await writer.write(bytesOf('parts'))
  if ((await store.size(key, signal)) !== undefined) return 'a streamed write was seen before it was finished'
  if ((await writer.finish()) !== 'created') return 'a streamed write of a new key answered that it exists'
  return textOf(await store.read(key, undefined, signal)) === 'in two parts'
    ? undefined
    : 'a streamed write was not read as it was written'
}

async function readsRanges({ store, prefix, signal }: Check): Promise<Fault> {
  const key = `${prefix}a/streamed`
  const middle = textOf(await store.read(key, { start: 3, end: 6 }, signal))
  const tail = textOf(await store.read(key, { start: 7, end: 100 }, signal))
  return middle === 'two' && tail === 'parts' ? undefined : 'a ranged read gave other bytes than those asked for'
}

async function lists({ store, prefix, signal }: Check): Promise<Fault> {
  const list = (options: { after?: string; limit?: number }) =>
    Array.fromAsync(store.list(prefix, options, signal), ({ key }) => key.slice(prefix.length))
  const all = (await list({})).join(' ')
  if (all !== 'a/streamed b-race b/once')
    return `a listing right after the writes was "${all}", not the objects in the order of their bytes`
  const behind = (await list({ after: `${prefix}a/streamed`, limit: 1 })).join(' ')
  return behind === 'b-race' ? undefined : `a listing of one object after another was "${behind}"`
}

async function deletes(check: Check): Promise<Fault> {
  const { store, prefix, signal } = check
  await removeAll(check)
  const left = await Array.fromAsync(store.list(prefix, {}, signal))
  if (left.length > 0) return 'deleted objects were listed'
  try {
    await store.read(`${prefix}b/once`, undefined, signal)
    return 'a deleted object was read'
  } catch (error) {
    if (isMillpondError(error, 'OBJECT_MISSING')) return undefined
    throw error
  }
}
