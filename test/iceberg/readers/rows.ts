import { column, type TestColumn } from '../parquet-archive.ts'
import { DAY, hex } from './scene.ts'
import type { PlainRow } from './tools.ts'

/** Days since 1970 of the first rows. */
export const FIRST_DAY = 19_675n

/** A row of a lane by its number: every type, with nulls and odd values. */
export const rowOf = (lane: string, n: number, day: bigint) => ({
  lane,
  n: BigInt(n),
  at: (FIRST_DAY + day) * DAY + BigInt(n) * 1_000_001n,
  name: n % 3 === 0 ? null : `name ${n} ž🐸 with a long tail`,
  bytes: Uint8Array.of(255, n % 256),
  price: n % 7 === 0 ? null : BigInt(n) * 12_345_678_901_234_567n - 5n,
  tags: Array.from({ length: n % 3 }, (_, i) => `tag ${i}`),
  place: n % 5 === 0 ? null : { city: `c${n % 9}`, zip: n % 2 === 0 ? null : n },
  date: new Date((n - 20) * 86_400_000),
  yes: n % 2 === 0,
  ratio: Math.fround(n / 3),
})
/** Such a row. */
export type Row = ReturnType<typeof rowOf>

/** The columns of rows. */
export const columnsOf = (rows: readonly Row[]): TestColumn[] => [
  column.long(
    'n',
    rows.map(({ n }) => n),
  ),
  column.time(
    'at',
    rows.map(({ at }) => at),
  ),
  column.text(
    'name',
    rows.map(({ name }) => name),
  ),
  column.bytes(
    'bytes',
    rows.map(({ bytes }) => bytes),
  ),
  column.decimal(
    'price',
    rows.map(({ price }) => price),
    30,
    2,
  ),
  column.texts(
    'tags',
    rows.map(({ tags }) => tags),
  ),
  column.place(
    'place',
    rows.map(({ place }) => place),
  ),
  column.date(
    'date',
    rows.map(({ date }) => date),
  ),
  column.truth(
    'yes',
    rows.map(({ yes }) => yes),
  ),
  column.float(
    'ratio',
    rows.map(({ ratio }) => ratio),
  ),
]

const decimalText = (value: bigint) =>
  `${value < 0n ? '-' : ''}${String(value < 0n ? -value : value)
    .padStart(3, '0')
    .replace(/(..)$/u, '.$1')}`

/** A row as readers have it, with columns that came later. */
export const plainOf = (
  { lane, n, at, bytes, price, date, ...rest }: Row,
  amount: string | null,
  extra: number | null,
): PlainRow => ({
  ...rest,
  n: String(n),
  at: String(at),
  bytes: hex(bytes),
  price: price === null ? null : decimalText(price),
  date: date.toISOString().slice(0, 10),
  amount,
  extra,
  _lane: lane,
})
