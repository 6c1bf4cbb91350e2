/** Where bytes wait on disk that memory has no room for; they are gone with the process. */
export interface Spill extends AsyncDisposable {
  /** Takes the bytes over; they may be read again until they are freed. @throws MillpondError `STORE_FULL`. */
  write(bytes: Uint8Array): Promise<SpilledBytes>
}

/** Bytes that were spilled. */
export interface SpilledBytes {
  readonly bytes: number
  read(): Promise<Uint8Array>
  /** They will not be read any more. */
  free(): void
}
