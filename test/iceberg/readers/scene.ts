import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFileStore } from '../../../src/adapters/file/store.ts'
import { createFileCatalog } from '../../../src/iceberg/file-catalog.ts'
import { type SyncReport, syncTopic } from '../../../src/iceberg/sync.ts'
import { parseTerm } from '../../../src/iceberg/transform.ts'
import type { PlainRow } from './tools.ts'

/** Microseconds of a day. */
export const DAY = 86_400_000_000n

/** Bytes as readers tell them. */
export const hex = (bytes: Uint8Array | null | undefined) => (bytes ? Buffer.from(bytes).toString('hex') : null)

/** Rows in the order of these columns. */
export const sorted = (rows: readonly PlainRow[], ...keys: readonly string[]) => {
  const keyOf = (row: PlainRow) => keys.map((key) => String(row[key]).padStart(20)).join()
  return rows.toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
}

/** What tables for other readers are made in. */
export type ReaderScene = ReturnType<typeof openReaderScene>

/** An archive in a folder of its own, whose name has a space, and what readers make of it. */
export function openReaderScene() {
  const folder = mkdtempSync(join(tmpdir(), 'millpond iceberg-'))
  const root = `file://${folder}/archive`
  const openStore = () => openFileStore({ path: join(folder, 'archive'), create: true })
  return {
    openStore,
    /** Where a reader writes what it reads. */
    out: (name: string) => join(folder, `${name}.jsonl`),
    async sync(topic: string, partition: readonly string[]): Promise<SyncReport> {
      const store = await openStore()
      const catalog = createFileCatalog({ store, root, prefix: 'lake/', nowMs: Date.now })
      const terms = partition.map((text) => parseTerm(text)!)
      const name = { namespace: ['pond'], name: topic }
      return syncTopic({ store, root, catalog, topic, name, location: `${root}/lake/pond/${topic}`, terms, batchFiles: 3 })
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}
