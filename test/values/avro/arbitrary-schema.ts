import * as fc from 'fast-check'

/** A schema as JSON, and the dotted names of fields that its data may have. */
export interface ArbitrarySchema {
  readonly schema: unknown
  readonly paths: readonly string[]
}

const primitives = ['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string'] as const

/** Schemas of all types; every named one has a name of its own, some are used again by it. */
export const schemaArbitrary: fc.Arbitrary<ArbitrarySchema> = fc
  .array(fc.nat(1 << 20), { minLength: 12, maxLength: 40 })
  .map((choices) => {
    const defined: string[] = []
    let next = 0
    const choose = (count: number) => (choices[next++ % choices.length]! + next) % count
    const name = (kind: string) => {
      const own = `${kind}${defined.length}`
      defined.push(own)
      return own
    }
    const typeAt = (depth: number, mayBeUnion: boolean): ArbitrarySchema => {
      const kind = choose(depth > 3 ? 9 : 16)
      if (kind < 8) return { schema: primitives[kind], paths: [''] }
      if (kind === 8) return { schema: { type: 'enum', name: name('Enum'), symbols: ['A', 'B', 'C'] }, paths: [''] }
      if (kind === 9) return { schema: { type: 'fixed', name: name('Fixed'), size: choose(20) }, paths: [''] }
      if (kind === 10) return { schema: { type: 'array', items: typeAt(depth + 1, true).schema }, paths: [''] }
      if (kind === 11) {
        const { schema, paths } = typeAt(depth + 1, true)
        return { schema: { type: 'map', values: schema }, paths: ['', ...paths.map((path) => `.key${path}`)] }
      }
      if (kind === 12 && mayBeUnion) {
        const { schema, paths } = typeAt(depth + 1, false)
        return { schema: schema === 'null' ? ['null', 'int'] : choose(2) === 0 ? ['null', schema] : [schema, 'null'], paths }
      }
      return recordAt(depth)
    }
    const recordAt = (depth: number): ArbitrarySchema => {
      const own = name('Record')
      const paths: string[] = ['']
      const fields = Array.from({ length: 1 + choose(5) }, (_, index) => {
        const { schema, paths: inner } = typeAt(depth + 1, true)
        paths.push(...inner.map((path) => `.f${index}${path}`))
        return { name: `f${index}`, type: schema }
      })
      if (choose(3) === 0) fields.push({ name: 'next', type: ['null', own] })
      return { schema: { type: 'record', name: own, namespace: `ns${depth}`, fields }, paths }
    }
    const { schema, paths } = recordAt(0)
    return { schema, paths: paths.map((path) => path.slice(1)).filter((path) => path !== '') }
  })
