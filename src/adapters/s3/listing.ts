import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import type { RequestAttempt, Requests } from '../../store/requests.ts'
import type { ListedObject } from '../../store/store.ts'
import type { S3Client } from './client.ts'
import type { ObjectSettings } from './settings.ts'

/** Keys of one answer at the most ("ListObjectsV2", 2026-11). */
const PAGE_KEYS = 1000

/** What listings need of their store. */
export interface ListingParts {
  readonly s3: S3Client
  readonly requests: Requests
  readonly settings: ObjectSettings
}

interface Listing {
  readonly prefix: string
  readonly after?: string | undefined
  /** Folders only, one level. */
  readonly delimiter?: '/'
  readonly limit?: number
}

/** Pages of a listing, each asked for when it is wanted. */
async function* pages({ s3, requests, settings }: ListingParts, listing: Listing, signal?: AbortSignal) {
  const { prefix, after, delimiter, limit = Infinity } = listing
  let token: string | undefined
  for (let left = limit; left > 0;) {
    const input = {
      ...settings.asked,
      Prefix: prefix,
      MaxKeys: Math.min(left, PAGE_KEYS),
      // XML has no way to write some characters that keys may have.
      EncodingType: 'url',
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(after === undefined || after === '' ? {} : { StartAfter: after }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    } as const
    const act = ({ signal }: RequestAttempt) => s3.client.send(new s3.sdk.ListObjectsV2Command(input), { abortSignal: signal })
    const page: ListObjectsV2CommandOutput = await requests.send({ kind: 'list', key: prefix, act }, signal)
    yield page
    left -= (page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0)
    if (page.IsTruncated !== true || page.NextContinuationToken === undefined) return
    token = page.NextContinuationToken
  }
}

const decode = (text: string, page: ListObjectsV2CommandOutput): string =>
  page.EncodingType === 'url' ? decodeURIComponent(text.replaceAll('+', ' ')) : text

/** The objects below a prefix, by key. */
export async function* listObjects(parts: ListingParts, listing: Listing, signal?: AbortSignal): AsyncGenerator<ListedObject> {
  for await (const page of pages(parts, listing, signal)) {
    for (const { Key: key, Size: bytes = 0, LastModified: modified } of page.Contents ?? []) {
      signal?.throwIfAborted()
      if (key !== undefined) yield { key: decode(key, page), bytes, modifiedMs: modified?.getTime() ?? 0 }
    }
  }
}

/** The folders right below a prefix, in the order of their keys. */
export async function* listFolders(parts: ListingParts, prefix: string, signal?: AbortSignal): AsyncGenerator<string> {
  for await (const page of pages(parts, { prefix, delimiter: '/' }, signal)) {
    for (const { Prefix: folder } of page.CommonPrefixes ?? []) {
      signal?.throwIfAborted()
      if (folder !== undefined) yield decode(folder, page).slice(prefix.length, -1)
    }
  }
}
