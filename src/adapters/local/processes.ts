import { readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Within what process ids mean something: this machine, and there this container. */
export function processScope(): string {
  try {
    return `${hostname()} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}

/** False where no process of this scope has the id. True may be another process that got it later. */
export function isAlive(pid: number): boolean {
  try {
    // Signal 0 is sent to nobody; it only asks.
    return process.kill(pid, 0)
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH')
  }
}
