import type * as DuckDb from '@duckdb/node-api'
import type { DuckDBConnection, DuckDBDataChunk, DuckDBTableFunction, DuckDBType as DuckDbType } from '@duckdb/node-api'
import { scanColumns } from '../../query/columns.ts'
import type { ScanColumn } from '../../query/columns.ts'
import type { QueryPart } from '../../query/parts.ts'
import type { QueryTopic } from '../../query/topics.ts'
import { valueScanColumns, type ValueTopic } from '../../query/value-columns.ts'
import { loadBindings } from './bindings.ts'
import type { Feed } from './feed.ts'
import { fillValueColumn } from './value-vectors.ts'
import { fillColumn } from './vectors.ts'

type Api = typeof DuckDb

/** What the scan of a topic is told to begin with. */
export type BeginScan = (topic: string, columns: readonly string[]) => number

interface RunningScan {
  readonly id: number
  readonly columns: readonly (string | undefined)[]
  part: QueryPart | undefined
  row: number
}

/** The name of the table function of the topic at `index`; plans show it in upper case. */
export const scanName = (index: number): string => `millpond_scan_${index}`

/** Registers a table function for each topic; each time that one is used it begins a scan and gives what the feed brings for it. */
export function registerScans(
  api: Api,
  connection: DuckDBConnection,
  topics: readonly QueryTopic[],
  feed: Feed,
  begin: BeginScan,
): DuckDBTableFunction[] {
  const bindings = loadBindings()
  const chunkRows = bindings.vector_size()
  const types = columnTypes(api)
  const fill = (topic: string, scan: RunningScan, output: DuckDBDataChunk): void => {
    while (scan.part === undefined || scan.row === scan.part.count) {
      scan.part = feed.next(scan.id)
      scan.row = 0
      if (scan.part === undefined) {
        output.rowCount = 0
        return
      }
    }
    const rows = { topic, part: scan.part, from: scan.row, count: Math.min(chunkRows, scan.part.count - scan.row) }
    output.rowCount = rows.count
    for (const [at, column] of scan.columns.entries()) {
      if (column === undefined) continue
      const vector = bindings.data_chunk_get_vector(output.chunk, at)
      if (rows.part.values === undefined) fillColumn(bindings, vector, column as ScanColumn, rows)
      else fillValueColumn(bindings, vector, column, rows, rows.part.values)
    }
    scan.row += rows.count
  }
  return topics.map(({ name, messages, values }, index) => {
    const given = values === undefined ? scanColumns.map((column) => ({ column, type: types[column] })) : valueTypes(api, values)
    const scan = api.DuckDBTableFunction.create({
      name: scanName(index),
      supportsProjectionPushdown: true,
      bindFunction(info) {
        for (const { column, type } of given) info.addResultColumn(column, type)
        info.setCardinality(messages, false)
        info.setBindData({})
      },
      initFunction(info) {
        const columns = info.getColumnIndexes().map((column) => given[column]?.column)
        const id = begin(
          name,
          columns.filter((column) => column !== undefined),
        )
        const running: RunningScan = { id, columns, part: undefined, row: 0 }
        info.setMaxThreads(1)
        info.setInitData(running)
      },
      mainFunction(info, output) {
        try {
          fill(name, info.getInitData() as RunningScan, output)
        } catch (error) {
          info.setError(error instanceof Error ? error.message : String(error))
        }
      },
    })
    connection.registerTableFunction(scan)
    return scan
  })
}

function valueTypes(api: Api, values: ValueTopic): readonly { readonly column: string; readonly type: DuckDbType }[] {
  const bySql: Readonly<Record<string, DuckDbType>> = {
    BOOLEAN: api.BOOLEAN,
    INTEGER: api.INTEGER,
    BIGINT: api.BIGINT,
    FLOAT: api.FLOAT,
    DOUBLE: api.DOUBLE,
    VARCHAR: api.VARCHAR,
    BLOB: api.BLOB,
    DATE: api.DATE,
    TIME: api.TIME,
    TIMESTAMP: api.TIMESTAMP,
    TIMESTAMPTZ: api.TIMESTAMPTZ,
    TIMESTAMP_NS: api.TIMESTAMP_NS,
  }
  return valueScanColumns(values).map(({ name, sql }) => ({ column: name, type: bySql[sql]! }))
}

function columnTypes({ BIGINT, BLOB, LIST, STRUCT, TIMESTAMP, VARCHAR }: Api) {
  return {
    topic: VARCHAR,
    lane: VARCHAR,
    position: BIGINT,
    timestamp: TIMESTAMP,
    key: VARCHAR,
    value: VARCHAR,
    headers: LIST(STRUCT({ name: VARCHAR, value: VARCHAR })),
    id: VARCHAR,
    key_bytes: BLOB,
    value_bytes: BLOB,
    header_bytes: LIST(STRUCT({ name: VARCHAR, value: BLOB })),
  } as const satisfies Record<ScanColumn, unknown>
}
