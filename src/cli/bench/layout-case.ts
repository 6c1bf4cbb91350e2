import type { LayoutConfig } from '../../layout/layout-config.ts'
import { createLayout } from '../../layout/create-layout.ts'
import type { BenchContext, Figures } from './context.ts'
import { prepareBatches } from './encode-case.ts'
import { measure, rateFigures } from './measure.ts'

const DAY_MS = 86_400_000
const DAYS = 365
/** Rows of a batch that `prepareBatches` gives. */
const ROWS = 10_000

/** Days of a year in no order, as ISO 8601 text: what a field of values holds. */
function dates(): string[] {
  let state = 1
  return Array.from({ length: ROWS }, () => {
    state = (state * 48_271) % 2_147_483_647
    return new Date(Date.UTC(2018, 0, 1) + (state % DAYS) * DAY_MS).toISOString().slice(0, 10)
  })
}

/** Batches → paths of the layout `confluent` by the day that a field says; reading the field is not measured. */
export async function partitionByDay({ config, messages }: BenchContext): Promise<Figures> {
  const confluent = { ...config.layout.confluent, partitionerClass: 'DailyPartitioner', timezone: 'Europe/Berlin' } as const
  const byField = { ...confluent, timestampExtractor: 'RecordField', timestampField: 'metric_date' } as const
  const layout: LayoutConfig = { ...config.layout, type: 'confluent', confluent: byField }
  const lane = createLayout(layout).openLane({ topic: 'orders', lane: '0' })
  const column = dates()
  const context = { nowMs: 0, field: () => (row: number) => column[row] }
  const batches = prepareBatches(messages)
  let paths = 0
  const measured = await measure(() => {
    let count = 0
    for (const batch of batches()) {
      paths = Math.max(paths, lane.assign(batch, context).paths.length)
      count += batch.count
    }
    return Promise.resolve(count)
  })
  return { ...rateFigures(measured), paths }
}
