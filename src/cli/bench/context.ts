import type { Config } from '../../config/config.ts'
import type { Format } from '../../encode/block.ts'

/** What a case works with. Preparing and measuring are two processes, so that memory and CPU time are those of what is measured. */
export interface BenchContext {
  /** Of the case's own folder. */
  readonly config: Config
  readonly folder: string
  readonly messages: number
  /** What `encode` writes, where it was said. */
  readonly format: Format | undefined
  readonly signal: AbortSignal
  /** Starts another stage of this case in a process of its own. */
  readonly start: (stage: string, words: readonly string[]) => Promise<void>
}

/** The figures of a case, named as they are printed. */
export type Figures = Readonly<Record<string, unknown>>

export interface BenchCase {
  readonly name: string
  readonly summary: string
  /** Messages unless told otherwise. */
  readonly messages: number
  /** What the measured part works on, by name; cases of the same name share it where the folder is kept. */
  readonly needs?: 'lines' | 'log' | 'archive' | 'segments'
  run(context: BenchContext): Promise<Figures>
}
