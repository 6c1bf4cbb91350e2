import type { Cached } from './cache.ts'

/** A program that is built from its Go module. */
export function goFiles(name: string, modulePath: string, version: string): Cached {
  return {
    name,
    version,
    tools: ['go'],
    get: (folder, run) => run('go', ['install', `${modulePath}@${version}`], { GOBIN: folder }),
  }
}
