/** A list that is read page after page, of which a caller sees some. */
export interface Listing<Row, Place> {
  readonly limit: number
  readonly from: Place | undefined
  /** The first `limit` rows behind a place, or of all. */
  readonly read: (limit: number, behind: Place | undefined) => Promise<readonly Row[]>
  readonly placeOf: (row: Row) => Place
  readonly isVisible: (row: Row) => boolean
}

/** Rows that are looked at for one page at the most, whoever may see few of them. */
const MAX_LOOKED_AT = 20_000
const READ_AT_ONCE = 1000

/** The rows of a page that the caller sees, and behind which place the next page begins; undefined where there is none. */
export async function visiblePage<Row, Place>(listing: Listing<Row, Place>): Promise<{ rows: Row[]; next: Place | undefined }> {
  const { limit, from, read, placeOf, isVisible } = listing
  const rows: Row[] = []
  let place = from
  for (let lookedAt = 0; lookedAt < MAX_LOOKED_AT;) {
    // The first look asks for what is wanted; where most is hidden it is not gone on with so little.
    const most = lookedAt === 0 ? limit : READ_AT_ONCE
    const some = await read(most, place)
    for (const row of some) {
      place = placeOf(row)
      if (isVisible(row)) rows.push(row)
      if (rows.length === limit) return { rows, next: place }
    }
    if (some.length < most) return { rows, next: undefined }
    lookedAt += some.length
  }
  return { rows, next: place }
}
