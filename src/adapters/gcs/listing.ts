import { compareKeys } from '../../store/key.ts'
import type { ListedObject } from '../../store/store.ts'
import type { GcsClient } from './client.ts'

/** The service gives no more on a page. */
const PAGE_COUNT = 1000

interface Page {
  readonly items?: readonly { readonly name: string; readonly size: string; readonly updated: string }[]
  readonly prefixes?: readonly string[]
  readonly nextPageToken?: string
}

interface Query extends Readonly<Record<string, string>> {
  readonly prefix: string
  readonly fields: string
}

/** The pages of a listing, each asked for when it is read. */
async function* pages(client: GcsClient, query: Query, signal?: AbortSignal): AsyncGenerator<Page> {
  const to = `/storage/v1/b/${encodeURIComponent(client.bucket)}/o`
  let pageToken: string | undefined
  do {
    const token: Record<string, string> = pageToken === undefined ? {} : { pageToken }
    const exchange = { method: 'GET', to, query: { ...query, ...token } } as const
    const { body } = await client.ask({ kind: 'list', key: query.prefix }, exchange, signal)
    const page = JSON.parse(body.toString()) as Page
    yield page
    pageToken = page.nextPageToken
  } while (pageToken !== undefined && pageToken !== '')
}

export interface ListingQuery {
  readonly prefix: string
  readonly after?: string | undefined
  readonly limit?: number | undefined
}

/** Objects in the order of their keys' bytes, which is the service's own. */
export async function* listObjects(
  client: GcsClient,
  { prefix, after = '', limit = Infinity }: ListingQuery,
  signal?: AbortSignal,
): AsyncGenerator<ListedObject> {
  if (limit <= 0) return
  // The service begins with the key that is named, which is then not wanted.
  const maxResults = String(Math.min(PAGE_COUNT, limit + 1))
  const start: Record<string, string> = after === '' ? {} : { startOffset: after }
  const query: Query = { prefix, maxResults, fields: 'items(name,size,updated),nextPageToken', ...start }
  let given = 0
  for await (const { items = [] } of pages(client, query, signal)) {
    for (const { name, size, updated } of items) {
      if (name === after) continue
      signal?.throwIfAborted()
      yield { key: name, bytes: Number(size), modifiedMs: Date.parse(updated) }
      if (++given >= limit) return
    }
  }
}

/** The next segments below `prefix`, in the order of their keys. */
export async function* listFolders(client: GcsClient, prefix: string, signal?: AbortSignal): AsyncGenerator<string> {
  const query: Query = { prefix, delimiter: '/', maxResults: String(PAGE_COUNT), fields: 'prefixes,nextPageToken' }
  let last = ''
  for await (const { prefixes = [] } of pages(client, query, signal)) {
    for (const folder of prefixes) {
      // Some servers tell a folder again with each page that has something of it.
      if (compareKeys(folder, last) <= 0) continue
      signal?.throwIfAborted()
      yield folder.slice(prefix.length, -1)
      last = folder
    }
  }
}
