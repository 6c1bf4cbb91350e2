import type { MessagePort } from 'node:worker_threads'
import type { Conditions } from '../../query/conditions.ts'
import type { QueryPart } from '../../query/parts.ts'
import type { QueryTopic } from '../../query/topics.ts'

/** How an answer leaves the thread: cells as text, rows as JSON, or a Parquet file. */
export type AnswerForm =
  | { readonly form: 'text' | 'json'; readonly maxRows?: number }
  | { readonly form: 'parquet'; readonly path: string }

/** What the thread of a query is started with. */
export interface ThreadSettings {
  readonly sql: string
  readonly memoryBytes: number
  /** Where DuckDB may put what does not fit into memory. */
  readonly tempFolder: string
  /** Whether the query may read and write files of the machine. */
  readonly allowFiles: boolean
  readonly answer: AnswerForm
  /** Brings the messages of scans. */
  readonly feed: MessagePort
  /** One number that is counted up, and woken, for each message on `feed`, and when the query is to stop. */
  readonly wake: Int32Array
}

/** What a plan reads of a topic. */
export interface PlannedScan {
  readonly topic: string
  readonly conditions: Conditions
}

export interface AnswerColumn {
  readonly name: string
  /** As SQL calls it: `VARCHAR`. */
  readonly type: string
}

export type ToThread =
  | { readonly kind: 'run'; readonly topics: readonly QueryTopic[]; readonly onlyExplain: boolean }
  /** The rows were taken; more may come. */
  | { readonly kind: 'more' }
  | { readonly kind: 'stop' }

export type FromThread =
  | { readonly kind: 'tables'; readonly names: readonly string[] }
  | { readonly kind: 'planned'; readonly scans: readonly PlannedScan[]; readonly plan: string }
  | { readonly kind: 'scan'; readonly scan: number; readonly topic: string; readonly columns: readonly string[] }
  /** A batch of the scan was taken from the feed. */
  | { readonly kind: 'taken'; readonly scan: number }
  | { readonly kind: 'columns'; readonly columns: readonly AnswerColumn[] }
  | { readonly kind: 'rows'; readonly rows: readonly (readonly (string | null)[])[] }
  | { readonly kind: 'done'; readonly rows: number }
  | { readonly kind: 'failed'; readonly reason: 'missing' | 'query'; readonly message: string }

export type FeedMessage = { readonly scan: number } & (
  | { readonly kind: 'batch'; readonly part: QueryPart }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly message: string }
)
