/** A range of bytes of an object: from `start` to before `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ListedObject {
  readonly key: string
  readonly bytes: number
  /** When the object was written, ms. */
  readonly modifiedMs: number
}

/** Whether this call made the object, or it was there before and stays as it was. */
export type PutOutcome = 'created' | 'exists'

/** An object on its way into the store; nobody sees it before `finish`. */
export interface ObjectWriter {
  /** Bytes that stay in memory until more is written or it is finished; what is on its way does not count. */
  readonly heldBytes: number
  /**
   * Takes the bytes over in order; resolves when more may be written. The bytes must not change afterwards. A CRC-32C of them that is known
   * already saves counting it for stores that send one.
   */
  write(bytes: Uint8Array, crc32c?: number): Promise<void>
  /** Makes the object durable and visible under its key, unless the key is taken. */
  finish(): Promise<PutOutcome>
  /** Leaves nothing behind. Harmless after `finish`. */
  abort(): Promise<void>
}

/**
 * Immutable objects under keys. Keys are `/`-separated segments of printable characters, none empty, `.` or `..`, at most 1,024
 * bytes. Whatever a call has answered is durable.
 * @throws MillpondError `STORE_UNAVAILABLE`, `STORE_FULL`, `STORE_READ_ONLY`, `KEY_INVALID`, from every call.
 */
export interface Store extends AsyncDisposable {
  /** Text for people, without secrets: `file:///var/lib/millpond/archive`. */
  readonly name: string
  /** Writes or replaces. For the probe and bookkeeping; data and commits go by put-if-absent. */
  put(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>
  /** Writes the object unless the key is taken; of any number of racing writers exactly one is told `created`. */
  putIfAbsent(key: string, bytes: Uint8Array, signal?: AbortSignal): Promise<PutOutcome>
  /** Opens a streamed put-if-absent (multipart where the store has it). */
  openWriter(key: string, signal?: AbortSignal): Promise<ObjectWriter>
  /**
   * The object's bytes, or those of the range (cut at the object's end).
   * @throws MillpondError `OBJECT_MISSING`.
   */
  read(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Uint8Array>
  /** The object's size in bytes, or undefined where there is none. */
  size(key: string, signal?: AbortSignal): Promise<number | undefined>
  /** Objects whose key begins with `prefix`, by key in byte order, those after `after` only. Asks the store for pages as they are read. */
  list(
    prefix: string,
    options?: { readonly after?: string; readonly limit?: number },
    signal?: AbortSignal,
  ): AsyncIterable<ListedObject>
  /**
   * The next path segments below `prefix` (which ends in `/` or is empty): what a person would call its folders. They come in the order
   * of their keys, so as if each ended in `/`: `a-b` before `a`.
   */
  folders(prefix: string, signal?: AbortSignal): AsyncIterable<string>
  /** Removes the object; one that is not there is no error. */
  delete(key: string, signal?: AbortSignal): Promise<void>
}
