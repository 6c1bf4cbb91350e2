import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createValues } from '../../src/values/create-values.ts'
import { openTestRegistry } from '../adapters/registry/client.ts'
import { archived, evolutions, expectedObjects, messagesOf, modes, registered } from '../archive/shared-scene.ts'
import { listed } from '../archive/split-scene.ts'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { startSchemaRegistry } from '../servers/schema-registry.ts'
import { openLineReaders, openPyarrow } from './other-tools.ts'

const jsonLines = (file: string) =>
  readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)

const tools = [
  { format: 'value-avro', tool: await openLineReaders(), skipped: 0, rows: (name: string) => `${name}.rows` },
  // Its first line tells of the footer.
  { format: 'value-parquet', tool: await openPyarrow(), skipped: 1, rows: (name: string) => `${name}.jsonl` },
] as const

for (const { format, tool, skipped, rows } of tools) {
  const missing = tool.missing ?? serverMissing('schema-registry')
  const note = missing === undefined ? '' : `, skipped: ${missing.split('\n')[0]}`
  describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(`${tool.name}${note}`, () => {
    let folder: string
    const names: Record<string, string[]> = {}
    const nameOf = (at: number, mode: string, name: string) => `${at}-${mode}-${name.replaceAll('/', '-')}`
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'millpond-shared-'))
      await using server = await startSchemaRegistry()
      const registry = openTestRegistry([server.url])
      await using values = createValues({ type: 'auto', registry, check: false, withVersions: true, nowMs: Date.now })
      for (const [at, evolution] of evolutions.entries()) {
        const topic = `topic${at}`
        const ids = await registered(server, `${topic}-value`, evolution.versions)
        for (const mode of modes) {
          const changes = { format, codec: 'zstandard', schemaCompatibility: mode } as const
          const { store, buried } = await archived(messagesOf(evolution, ids), values, changes, { topic, pieces: [3, 1] })
          expect(buried).toEqual([])
          const keys = (await listed(store)).sort()
          names[`${at} ${mode}`] = keys.map((key) => nameOf(at, mode, key.slice(topic.length + 1).replace(/\.\w+$/u, '')))
          for (const [i, key] of keys.entries()) {
            writeFileSync(join(folder, `${names[`${at} ${mode}`]![i]}.${key.split('.').at(-1)}`), await store.read(key))
          }
        }
      }
      const extension = format === 'value-avro' ? 'avro' : 'parquet'
      const files = Object.values(names).flatMap((some) => some.map((name) => join(folder, `${name}.${extension}`)))
      await tool.exchange(format === 'value-avro' ? [folder] : files)
    }, GET_LIMIT_MS)
    afterAll(() => rmSync(folder, { recursive: true }))

    describe.each(evolutions.map((evolution, at) => ({ what: evolution.what, evolution, at })))(
      `reads the objects of ${format} with $what`,
      ({ evolution, at }) => {
        it.each(modes)('that `%s` gives, each value by the schema of its object', (mode) => {
          const expected = expectedObjects(evolution, mode)
          expect(names[`${at} ${mode}`]).toEqual(expected.map(({ name }) => nameOf(at, mode, name)))
          for (const { name, rows: values } of expected) {
            const file = `${nameOf(at, mode, name)}.${format === 'value-avro' ? 'avro' : 'parquet'}`
            expect(jsonLines(join(folder, rows(file))).slice(skipped)).toEqual(values)
          }
        })
      },
    )
  })
}
