import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Catalog, TableName } from '../../src/iceberg/catalog.ts'
import { currentSnapshot, type NewTable } from '../../src/iceberg/metadata.ts'
import { type TableStore, writeSnapshot } from '../../src/iceberg/snapshot.ts'

/** A catalogue under test, and the store that its tables lie in. */
export interface CatalogPlace extends TableStore, AsyncDisposable {
  /** Another way into the same catalogue. */
  readonly open: () => Promise<Catalog>
}

/** What every catalogue must do. */
export function catalogContract(title: string, setup: () => Promise<CatalogPlace>, limitMs = 60_000) {
  describe(`catalogue: ${title}`, () => {
    let place: CatalogPlace
    let catalog: Catalog
    let tables = 0
    beforeAll(async () => {
      place = await setup()
      catalog = await place.open()
    }, limitMs)
    afterAll(async () => {
      await catalog[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    })

    const newName = (): TableName => ({ namespace: ['lake', 'raw ž'], name: `t ${tables++}/%` })
    const newTable = (): NewTable => ({
      location: `${place.root}/lake/t${tables}`,
      schema: { type: 'struct', 'schema-id': 0, fields: [{ id: 1, name: 'a', required: true, type: 'int' }] },
      lastColumnId: 1,
      spec: { 'spec-id': 0, fields: [{ 'source-id': 1, 'field-id': 1000, name: 'a_bucket', transform: 'bucket[4]' }] },
      properties: { owner: 'ž' },
    })
    const append = async (table: Awaited<ReturnType<Catalog['create']>>, note: string) =>
      (await writeSnapshot(place, table.metadata, { added: [], summary: { note } }, { nowMs: Date.now() })).snapshot

    it('has no table at first', async () => {
      expect(await catalog.load(newName())).toBeUndefined()
    })

    it('makes a table, which is then found', async () => {
      const name = newName()
      const made = await catalog.create(name, newTable())
      expect(made.metadata).toMatchObject({ 'format-version': 2, 'last-column-id': 1, 'default-spec-id': 0 })
      expect(made.metadata.properties).toMatchObject({ owner: 'ž' })
      const found = await (await place.open()).load(name)
      expect(found?.metadata['table-uuid']).toBe(made.metadata['table-uuid'])
      expect(found?.metadata['partition-specs']).toEqual([newTable().spec])
      expect(currentSnapshot(found!.metadata)).toBeUndefined()
    })

    it('lets several make one table, and gives all of them the same', async () => {
      const name = newName()
      const others = await Promise.all([place.open(), place.open(), place.open()])
      const made = await Promise.all(others.map((other) => other.create(name, newTable())))
      expect(new Set(made.map(({ metadata }) => metadata['table-uuid'])).size).toBe(1)
    })

    it('changes schema, spec, properties and snapshot at once', async () => {
      const table = await catalog.create(newName(), newTable())
      const schema = {
        type: 'struct' as const,
        'schema-id': 1,
        fields: [
          { id: 1, name: 'a', required: false, type: 'long' as const },
          { id: 2, name: 'b', required: false, type: 'string' as const },
        ],
      }
      const snapshot = await append(table, 'first')
      const result = await catalog.change(table, {
        schema: { schema, lastColumnId: 2 },
        specs: { added: [{ 'spec-id': 1, fields: [] }], defaultId: 1 },
        properties: { owner: 'me', more: 'x' },
        snapshot: { ...snapshot, 'schema-id': 1 },
      })
      expect(result.outcome).toBe('changed')
      const { metadata } = (await catalog.load(table.name))!
      expect(metadata).toMatchObject({
        'current-schema-id': 1,
        'last-column-id': 2,
        'default-spec-id': 1,
        'last-sequence-number': 1,
      })
      expect(metadata.properties).toMatchObject({ owner: 'me', more: 'x' })
      expect(metadata.schemas.at(-1)?.fields).toEqual(schema.fields)
      expect(currentSnapshot(metadata)).toMatchObject({ 'snapshot-id': snapshot['snapshot-id'], summary: { note: 'first' } })
    })

    it('makes exactly one of several changes of one state', async () => {
      const table = await catalog.create(newName(), newTable())
      const others = await Promise.all(Array.from({ length: 4 }, () => place.open()))
      const snapshots = await Promise.all(others.map((_, i) => append(table, `by ${i}`)))
      const results = await Promise.all(others.map((other, i) => other.change(table, { snapshot: snapshots[i]! })))
      const winners = results.flatMap(({ outcome }, i) => (outcome === 'changed' ? [i] : []))
      expect(winners).toHaveLength(1)
      const { metadata } = (await catalog.load(table.name))!
      expect(metadata.snapshots).toHaveLength(1)
      expect(currentSnapshot(metadata)?.summary['note']).toBe(`by ${winners[0]}`)
      expect(await catalog.change(table, { snapshot: await append(table, 'late') })).toEqual({ outcome: 'conflict' })
    })

    it('goes on from what a change gave', async () => {
      let table = await catalog.create(newName(), newTable())
      for (const note of ['one', 'two', 'three']) {
        const result = await catalog.change(table, { snapshot: await append(table, note) })
        if (result.outcome === 'conflict') throw new Error('nobody else is there')
        table = result.table
      }
      expect(table.metadata.snapshots.map(({ summary }) => summary['note'])).toEqual(['one', 'two', 'three'])
      expect(table.metadata['last-sequence-number']).toBe(3)
      expect((await catalog.load(table.name))?.metadataFile).toBe(table.metadataFile)
    })
  })
}
