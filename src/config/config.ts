import type { Codec, LookupField } from '../encode/block.ts'
import type { Secret } from './secret.ts'

/** When a segment closes: whichever comes first. */
export interface RotateConfig {
  readonly maxCount: number
  readonly maxBytes: number
  readonly maxSpanMs: number
  readonly maxAgeMs: number
  readonly idleMs: number
}

/** How long a topic of the local log keeps its messages; undefined is for ever. */
export interface RetentionConfig {
  readonly maxAgeMs: number | undefined
  readonly maxBytes: number | undefined
}

/** A topic of the local log that has settings of its own. */
export interface LocalTopicConfig {
  readonly partitions: number
  readonly retention: RetentionConfig
}

/** The checked configuration: every path absolute, every default filled in. */
export interface Config {
  /** The file it was read from; undefined where there is none and all of it is defaults. */
  readonly file: string | undefined
  /** The folder that relative paths were counted from. */
  readonly folder: string
  readonly store: { readonly type: 'file'; readonly path: string }
  readonly source: { readonly type: 'local'; readonly topics: readonly string[]; readonly group: string }
  readonly index: { readonly type: 'sqlite'; readonly path: string }
  readonly jobs: { readonly type: 'sqlite'; readonly path: string }
  readonly archive: {
    readonly codec: Codec
    readonly level: number | undefined
    readonly lookups: readonly LookupField[]
    readonly rotate: RotateConfig
    readonly memoryBytes: number
    readonly blockBytes: number
  }
  readonly deadLetters: { readonly type: 'file'; readonly path: string }
  readonly local: LocalTopicConfig & { readonly path: string; readonly topics: Readonly<Record<string, LocalTopicConfig>> }
  readonly http: {
    readonly host: string
    readonly port: number
    readonly token: Secret | undefined
    readonly maxBodyBytes: number
    readonly maxMessageBytes: number
    readonly maxConnections: number
    readonly requestTimeoutMs: number
  }
  readonly log: { readonly level: LogLevel }
}

/** How much is logged; the names are those of pino. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
