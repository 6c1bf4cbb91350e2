import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Cached } from './cache.ts'

/** Programs of Debian's packages, the libraries they take among them, unpacked and not installed. */
export const debianFiles = (name: string, version: string, packages: readonly string[]): Cached => ({
  name,
  version,
  tools: ['apt-get', 'dpkg-deb', 'sh'],
  get: async (_folder, run) => {
    await run('apt-get', ['download', ...packages])
    await run('sh', ['-c', 'for package in *.deb; do dpkg-deb -x "$package" . || exit 1; done'])
  },
})

/** The folder of their libraries, for LD_LIBRARY_PATH. */
export const librariesOf = (folder: string): string =>
  ['x86_64-linux-gnu', 'aarch64-linux-gnu'].map((name) => join(folder, 'usr/lib', name)).find((path) => existsSync(path)) ?? ''
