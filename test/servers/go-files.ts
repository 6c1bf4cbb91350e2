import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
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

const SOURCES = ['main.go', 'go.mod', 'go.sum'] as const

/** A small program of ours in a folder of this name, which is built anew when its sources change. */
export function goProgram(name: string): Cached {
  const source = (file: string) => join(import.meta.dirname, name, file)
  return {
    name,
    version: SOURCES.reduce((hash, file) => hash.update(readFileSync(source(file))), createHash('sha256'))
      .digest('hex')
      .slice(0, 16),
    tools: ['go'],
    async get(folder, run) {
      for (const file of SOURCES) await copyFile(source(file), join(folder, file))
      await run('go', ['build', '-o', name, '.'])
    },
  }
}
