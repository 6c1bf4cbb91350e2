import { compareKeys } from '../../store/key.ts'
import type { RequestAttempt } from '../../store/requests.ts'
import type { ListedObject } from '../../store/store.ts'
import type { AzureClient } from './client.ts'

/** The service gives no more on a page. */
export const MAX_PAGE_COUNT = 5000
/** What orders differently as UTF-8 and as UTF-16 is told by a half of a surrogate pair. */
const SURROGATE = /[\ud800-\udfff]/
const HIGH = /[\ud800-\uffff]/

/** A container whose objects are listed. */
export interface ListedContainer extends AzureClient {
  /** Whether folders are objects of their own in it, as in accounts with a hierarchical namespace. */
  readonly hasFolders: (signal?: AbortSignal) => Promise<boolean>
  /** Keys on a page, at the most. */
  readonly pageCount: number
}

/** A page of a listing, and where the next one begins. */
interface Page<T> {
  readonly items: readonly T[]
  readonly next: string | undefined
}

/** Items of a listing, page by page as they are read. */
async function* paged<T>(
  { requests }: ListedContainer,
  prefix: string,
  ask: (attempt: RequestAttempt, next: string | undefined) => Promise<Page<T>>,
  signal?: AbortSignal,
): AsyncGenerator<T> {
  let next: string | undefined
  do {
    const from = next
    const page = await requests.send({ kind: 'list', key: prefix, act: (attempt) => ask(attempt, from) }, signal)
    for (const item of page.items) {
      signal?.throwIfAborted()
      yield item
    }
    next = page.next
  } while (next !== undefined)
}

export interface ListingQuery {
  readonly prefix: string
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

/**
 * Objects in the order of their keys' bytes. The service is told where to begin; one that does not know how is asked for all pages up to
 * there, 5,000 keys a request.
 */
export async function* listObjects(
  listed: ListedContainer,
  { prefix, after = '', limit = Infinity }: ListingQuery,
  signal?: AbortSignal,
): AsyncGenerator<ListedObject> {
  if (limit <= 0) return
  // In which of the two orders the service compares such keys is not said.
  const start = after.startsWith(prefix) && !HIGH.test(after) ? { startFrom: after } : {}
  const query = { prefix, includeMetadata: await listed.hasFolders(signal), ...(after === '' ? {} : start) }
  let maxPageSize = Math.min(listed.pageCount, limit + 1)
  const ask = async ({ signal }: RequestAttempt, next: string | undefined): Promise<Page<ListedObject>> => {
    const pages = listed.container.listBlobsFlat({ ...query, abortSignal: signal })
    const page = await pages.byPage({ maxPageSize, ...(next === undefined ? {} : { continuationToken: next }) }).next()
    if (page.done === true) return { items: [], next: undefined }
    const { segment, continuationToken } = page.value
    const blobs = segment.blobItems.filter(({ metadata }) => metadata?.['hdi_isfolder'] !== 'true')
    const items = blobs.map(({ name, properties }) => ({
      key: name,
      bytes: properties.contentLength ?? 0,
      modifiedMs: properties.lastModified.getTime(),
    }))
    return { items, next: continuationToken === '' ? undefined : continuationToken }
  }
  let given = 0
  for await (const object of inByteOrder(paged(listed, prefix, ask, signal), ({ key }) => key)) {
    if (after !== '' && compareKeys(object.key, after) < 0) {
      // The service did not begin where it was told to: on to there with as few pages as it takes.
      maxPageSize = listed.pageCount
      continue
    }
    if (object.key === after) continue
    yield object
    if (++given >= limit) return
  }
}

/** The next segments below `prefix`, in the order of their keys. */
export async function* listFolders(listed: ListedContainer, prefix: string, signal?: AbortSignal): AsyncGenerator<string> {
  const ask = async ({ signal }: RequestAttempt, next: string | undefined): Promise<Page<string>> => {
    const pages = listed.container.listBlobsByHierarchy('/', { prefix, abortSignal: signal })
    const settings = { maxPageSize: listed.pageCount, ...(next === undefined ? {} : { continuationToken: next }) }
    const page = await pages.byPage(settings).next()
    if (page.done === true) return { items: [], next: undefined }
    const { segment, continuationToken } = page.value
    const items = (segment.blobPrefixes ?? []).map(({ name }) => name)
    return { items, next: continuationToken === '' ? undefined : continuationToken }
  }
  let last = ''
  for await (const folder of inByteOrder(paged(listed, prefix, ask, signal), (name) => name)) {
    // A folder may be told again with each page that has something of it.
    if (compareKeys(folder, last) <= 0) continue
    yield folder.slice(prefix.length, -1)
    last = folder
  }
}

/**
 * Items whose keys come in the order of UTF-8 or of UTF-16, in that of UTF-8. The two differ behind a prefix that keys with surrogates share
 * with others; such a stretch is held until it is complete.
 */
export async function* inByteOrder<T>(items: AsyncIterable<T>, keyOf: (item: T) => string): AsyncGenerator<T> {
  const held: T[] = []
  let shared = ''
  const sorted = (): T[] => held.splice(0).sort((left, right) => compareKeys(keyOf(left), keyOf(right)))
  for await (const item of items) {
    const key = keyOf(item)
    if (held.length > 0 && !key.startsWith(shared)) yield* sorted()
    if (held.length === 0) {
      const at = key.search(SURROGATE)
      if (at < 0) {
        yield item
        continue
      }
      shared = key.slice(0, at)
    }
    held.push(item)
  }
  yield* sorted()
}
