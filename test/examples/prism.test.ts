import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { outputOfChild } from '../servers/process.ts'

const missing = serverMissing('kafka') ?? serverMissing('minio') ?? serverMissing('schema-registry')

describe.skipIf(missing !== undefined)('npm run example -- prism', () => {
  it(
    'takes events by the REST call into Kafka, and archives them below the days that they are of',
    async () => {
      const run = resolve(import.meta.dirname, '../../examples/run.ts')
      const output = (await outputOfChild(process.execPath, [run, 'prism'])).toString()
      expect(output).toContain('sent 3000 events to ac-user-event')
      expect(output).toContain('topics/ac-user-event/year=2018/month=01/day=04/ac-user-event+0+0000000')
      expect(output).toContain('all 3000 events of ac-user-event are there once, in 12 objects of 250, each below its day')
      expect(output).toContain('all 1000 events of prism-test are there once, in 4 objects of 250, each below its day')
      expect(output).toMatch(/verified: 4,000 messages, 6 lanes, \d+ commits, 16 segments/u)
    },
    GET_LIMIT_MS,
  )
})
