import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { outputOfChild } from '../servers/process.ts'

const missing = serverMissing('kafka') ?? serverMissing('minio')

describe.skipIf(missing !== undefined)('npm run example -- kafka-minio', () => {
  it(
    'goes from Kafka into MinIO and back',
    async () => {
      const run = resolve(import.meta.dirname, '../../examples/run.ts')
      const output = (await outputOfChild(process.execPath, [run, 'kafka-minio'])).toString()
      expect(output).toContain('archived 50,000 messages')
      expect(output).toContain('every offset of Kafka is accounted for: 50,000 archived')
      expect(output).toMatch(/job \w+ done: 50,000 messages in flights-restored, 8 partitions/u)
    },
    GET_LIMIT_MS,
  )
})
