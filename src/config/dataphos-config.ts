/** Where one of the interfaces listens. Paths are absolute. */
export interface DataphosServerConfig {
  readonly host: string
  readonly port: number
  readonly headerTimeoutMs: number
  readonly tls: { readonly certificateFile: string; readonly keyFile: string } | undefined
}

/** The interfaces of Dataphos Persistor. */
export interface DataphosConfig {
  /** Whether the service runs them. */
  readonly enabled: boolean
  readonly indexer: DataphosServerConfig
  readonly resubmitter: DataphosServerConfig
  readonly defaultTopic: string | undefined
  readonly target: 'source' | 'local' | 'kafka'
  /** By topic. */
  readonly brokerIds: Readonly<Record<string, string>>
  /** Every name where it is empty. */
  readonly collections: readonly string[]
  readonly marks: boolean
  readonly allowLoop: boolean
  readonly maxResubmissions: number
}
