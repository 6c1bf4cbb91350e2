/** Where bytes wait on disk that memory has no room for; they are gone with the process. */
export interface Spill extends AsyncDisposable {
  /** Keeps a copy of the bytes, which are the caller's again once it resolves, until it is freed. @throws MillpondError `STORE_FULL`. */
  write(bytes: Uint8Array): Promise<SpilledBytes>
}

/** Bytes that were spilled. */
export interface SpilledBytes {
  readonly bytes: number
  /** All of them. */
  read(): Promise<Uint8Array>
  /** Fills the target with what lies from `offset` on. */
  readInto(target: Uint8Array, offset: number): Promise<void>
  /** They will not be read any more. */
  free(): void
}
