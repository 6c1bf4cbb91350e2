/** Memory whose last user is told to be so: freed when it is done, and not when the collector comes, which waits for tens of megabytes. */
const given = new WeakSet<ArrayBufferLike>()

/** Smaller memory is not worth the account. */
const MIN_BYTES = 16 * 1024

/** Says that whoever is handed these bytes is the only one that looks at their memory, and may free it; gives the bytes. */
export function giveAway(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength >= MIN_BYTES) given.add(bytes.buffer)
  return bytes
}

/** Takes that back: others look at the memory too. */
export function keepAll(bytes: Uint8Array): void {
  given.delete(bytes.buffer)
}

/** Frees the memory of bytes that were given away; their length is 0 afterwards. Others are left to the collector. */
export function free({ buffer }: Uint8Array): void {
  if (given.delete(buffer) && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
