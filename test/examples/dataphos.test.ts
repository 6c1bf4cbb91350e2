import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GET_LIMIT_MS } from '../servers/cache.ts'
import { serverMissing } from '../servers/missing.ts'
import { outputOfChild } from '../servers/process.ts'

const missing = serverMissing('kafka') ?? serverMissing('fake-gcs') ?? serverMissing('azurite')

describe.skipIf(missing !== undefined)('npm run example -- dataphos', () => {
  it(
    "goes from Kafka into two stores, and back by the request of Dataphos' quickstart as it stands there",
    async () => {
      const run = resolve(import.meta.dirname, '../../examples/run.ts')
      const output = (await outputOfChild(process.execPath, [run, 'dataphos'])).toString()
      expect(output).toContain(`$ curl -XPOST -H "Content-type: application/json" -d '{
    "broker_id": "origin_broker_id",
    "lb": "0001-01-01T00:00:00Z",
    "ub": "2021-09-27T14:15:05Z"
}' 'http://127.0.0.1:`)
      expect(output.match(/"msg": "resubmission successful"/gu)).toHaveLength(2)
      expect(output.match(/"published_count": 20000/gu)).toHaveLength(2)
      expect(output).toContain('gs://persistor/orders/persistor-gcs/2021/09/20/00/msg-0_0.avro')
      expect(output).toMatch(/"location_key":"http[^"]+\/persistor\/orders\/persistor-azure\/2021\/09\/20\/00\/msg-0_0\.avro"/u)
      for (const store of ['gcs', 'azure']) expect(output).toContain(`all 20000 messages came back from ${store}, each once`)
    },
    GET_LIMIT_MS,
  )
})
