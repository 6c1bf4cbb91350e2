import type { RequestPrices } from '../../store/requests.ts'

/** US dollars for 1,000 requests that write, and that read. */
interface ClassPrices {
  readonly write: number
  readonly read: number
}

// Amazon S3 list prices of requests in us-east-1 (aws.amazon.com/s3/pricing), 2026-11. Listing costs the same in each class; deleting
// and giving up an upload cost nothing.
const LIST_PRICE = 0.005
const STANDARD: ClassPrices = { write: 0.005, read: 0.0004 }
const classes: Readonly<Record<string, ClassPrices>> = {
  STANDARD,
  INTELLIGENT_TIERING: STANDARD,
  STANDARD_IA: { write: 0.01, read: 0.001 },
  ONEZONE_IA: { write: 0.01, read: 0.001 },
  GLACIER_IR: { write: 0.02, read: 0.01 },
}

/** What requests of Amazon S3 cost where objects have this storage class; as `STANDARD` where the class is not known. */
export function s3Prices(storageClass = 'STANDARD'): RequestPrices {
  const { write, read } = classes[storageClass] ?? STANDARD
  const [put, get, list] = [write / 1000, read / 1000, LIST_PRICE / 1000]
  return { put, begin: put, part: put, complete: put, abort: 0, get, head: get, list, delete: 0 }
}

/** For services whose prices nobody told. */
export const noPrices: RequestPrices = {
  put: 0,
  begin: 0,
  part: 0,
  complete: 0,
  abort: 0,
  get: 0,
  head: 0,
  list: 0,
  delete: 0,
}
