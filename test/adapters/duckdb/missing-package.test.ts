import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import type * as query from '../../../src/adapters/duckdb/query.ts'

it('a query says what to install where DuckDB is missing, or what reads Parquet', async () => {
  // The thread loads the package by itself; away from `node_modules` it finds none.
  const folder = mkdtempSync(join(tmpdir(), 'millpond-no-duckdb-'))
  try {
    cpSync(join(import.meta.dirname, '../../../src'), folder, { recursive: true, filter: (path) => !path.includes('assembly') })
    const { openQuery } = (await import(join(folder, 'adapters/duckdb/query.ts'))) as typeof query
    const opening = openQuery({
      sql: 'SELECT 1',
      answer: { form: 'text' },
      memoryBytes: 1e8,
      tempFolder: folder,
      allowFiles: false,
      signal: new AbortController().signal,
    })
    const says = /npm install @duckdb\/node-api/u
    await expect(opening).rejects.toMatchObject({ code: 'DEPENDENCY_MISSING', message: expect.stringMatching(says) as string })
    const module = pathToFileURL(join(folder, 'adapters/hyparquet/reader.ts')).href
    const program = `import { openParquetReader } from '${module}'; await openParquetReader().catch((e) => console.log(e.code, e.message))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], { cwd: folder })
    expect(stdout).toMatch(/^DEPENDENCY_MISSING .*npm install hyparquet\n$/u)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
