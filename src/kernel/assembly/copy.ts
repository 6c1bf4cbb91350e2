/**
 * Copies `length` bytes between regions that do not overlap. May read and write up to 15 bytes more: a call of `memory.copy`
 * costs more than the few bytes that most keys and headers have.
 */
// @ts-ignore: decorator
@inline
export function copyShort(target: usize, source: usize, length: u32): void {
  if (length > 512) {
    memory.copy(target, source, length)
    return
  }
  let copied: u32 = 0
  do {
    v128.store(target + copied, v128.load(source + copied))
    copied += 16
  } while (copied < length)
}
