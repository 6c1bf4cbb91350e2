import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { batchOf } from '../../../src/batch/builder.ts'
import { type DataphosScene, openDataphos } from './scene.ts'

// What Dataphos answers was recorded: its own handlers (persistor@69556fd) over these two rows, built beside this project on 2026-11-29 and asked with curl.
let scene: DataphosScene
beforeAll(async () => {
  scene = await openDataphos()
  const headers = { b: 'y', a: 'x<&>\u2028é\u0001\t"\\', Z: '' }
  await scene.archive('orders', '0', [
    {
      segments: [
        [
          batchOf([
            {
              position: 0,
              timestamp: Date.parse('2023-02-05T19:20:55.342Z'),
              headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
            },
            {
              position: 1,
              timestamp: Date.parse('2023-02-05T19:20:55Z'),
              headers: [
                { name: 'business_source_key', value: 's' },
                { name: 'business_object_key', value: 'o' },
              ],
            },
          ]),
        ],
      ],
    },
  ])
})
afterAll(() => scene[Symbol.asyncDispose]())

const JSON_TYPE = 'application/json; charset=utf-8'
const TEXT_TYPE = 'text/plain; charset=utf-8'
const LOCATION = /gs:\/\/b\/[^"]*-w\.avro/gu
const COMMITTED = '2023-11-14T22:13:20Z'

const FIRST =
  '{"broker_id":"orders","broker_msg_id":"0_0","unique_id":"orders_0_0","location_key":"gs://b/x.avro","location_position":1,"publish_time":"2023-02-05T19:20:55.342Z","additional_metadata":{"Z":"","a":"x\\u003c\\u0026\\u003e\\u2028é\\u0001\\t\\"\\\\","b":"y"}}'
const SECOND =
  '{"broker_id":"orders","broker_msg_id":"0_1","business_source_key":"s","business_object_key":"o","unique_id":"orders_0_1","location_key":"gs://b/x.avro","location_position":2,"publish_time":"2023-02-05T19:20:55Z"}'
const FIRST_WHOLE = FIRST.replace(
  ',"additional_metadata"',
  `,"ingestion_time":"${COMMITTED}","indexer_ingestion_time":"${COMMITTED}","additional_metadata"`,
)
const SECOND_WHOLE = SECOND.replace('"unique_id":"orders_0_1",', '"unique_id":"orders_0_1","index_source_key":"s_o",').replace(
  '"publish_time":"2023-02-05T19:20:55Z"',
  `"publish_time":"2023-02-05T19:20:55Z","ingestion_time":"${COMMITTED}","indexer_ingestion_time":"${COMMITTED}"`,
)
const page = (total: number, limit: number | string, offset: number, rows: readonly string[]): string =>
  `{"total_count":${total},"returned_count":${rows.length},"limit":${limit},"offset":${offset},"messages":${rows.length === 0 ? 'null' : `[${rows.join(',')}]`}}`
const bad = (error: string): string => `{"error":${error},"message":"bad request"}`

interface Exchange {
  readonly call: string
  readonly body?: string
  readonly status?: number
  readonly type?: string
  readonly answer: string
}

const missingIds = bad(`"Key: 'GetAllRequestBody.Ids' Error:Field validation for 'Ids' failed on the 'required' tag"`)
const indexer: readonly Exchange[] = [
  { call: 'GET /exact/c/orders_0_0', answer: `[${FIRST_WHOLE}]` },
  { call: 'GET /exact/c/orders_0_1', answer: `[${SECOND_WHOLE}]` },
  { call: 'GET /exact/c/nope', answer: 'null' },
  { call: 'POST /all/c', body: '{"ids":["orders_0_1","nope"]}', answer: `[${SECOND}]` },
  { call: 'POST /all/c', body: '{"IDS":["orders_0_1"],"other":1} trailing', answer: `[${SECOND}]` },
  { call: 'POST /all/c', body: '{"ids":[]}', answer: 'null' },
  { call: 'POST /all/c', body: '{"ids":null}', status: 400, type: TEXT_TYPE, answer: missingIds },
  { call: 'POST /all/c', body: '{}', status: 400, type: TEXT_TYPE, answer: missingIds },
  { call: 'POST /all/c', body: 'null', status: 400, type: TEXT_TYPE, answer: missingIds },
  { call: 'POST /all/c', status: 400, type: TEXT_TYPE, answer: bad('"EOF"') },
  { call: 'POST /all/c', body: '{"ids":', status: 400, type: TEXT_TYPE, answer: bad('"unexpected EOF"') },
  {
    call: 'POST /all/c',
    body: 'x',
    status: 400,
    type: TEXT_TYPE,
    answer: bad(`"invalid character 'x' looking for beginning of value"`),
  },
  {
    call: 'POST /all/c',
    body: '{"ids":"a"}',
    status: 400,
    type: TEXT_TYPE,
    answer: bad('"json: cannot unmarshal string into Go struct field GetAllRequestBody.ids of type []string"'),
  },
  {
    call: 'POST /all/c',
    body: '{"ids":[1]}',
    status: 400,
    type: TEXT_TYPE,
    answer: bad('"json: cannot unmarshal number into Go struct field GetAllRequestBody.ids of type string"'),
  },
  {
    call: 'POST /all/c',
    body: '[]',
    status: 400,
    type: TEXT_TYPE,
    answer: bad('"json: cannot unmarshal array into Go value of type indexer.GetAllRequestBody"'),
  },
  { call: 'GET /range/c/orders', answer: page(2, 20, 0, [FIRST, SECOND]) },
  { call: 'GET /range/c/nope', answer: page(0, 20, 0, []) },
  { call: 'GET /range/c/orders?limit=1&offset=1', answer: page(2, 1, 1, [SECOND]) },
  { call: 'GET /range/c/orders?limit=-1&offset=-1', answer: page(2, 20, 0, [FIRST, SECOND]) },
  { call: 'GET /range/c/orders?limit=x&offset=x', answer: page(2, 20, 0, [FIRST, SECOND]) },
  {
    call: 'GET /range/c/orders?limit=99999999999999999999&offset=0x1',
    answer: page(2, '9223372036854775807', 0, [FIRST, SECOND]),
  },
  { call: 'GET /range/c/orders?limit=+5&offset=+1', answer: page(2, 20, 0, [FIRST, SECOND]) },
  { call: 'GET /range/c/orders?limit=%2B5&offset=%2B1', answer: page(2, 5, 1, [SECOND]) },
  { call: 'GET /range/c/orders?offset=5', answer: page(2, 20, 5, []) },
  { call: 'GET /range/c/orders?from=2023-02-05T19:20:55.1Z&to=2023-02-05T19:20:56Z', answer: page(1, 20, 0, [FIRST]) },
  {
    call: 'GET /range/c/orders?from=yesterday',
    status: 400,
    answer: bad(
      '"error in parsing from query parameter: parsing time \\"yesterday\\" as \\"2006-01-02T15:04:05.99999999Z\\": cannot parse \\"yesterday\\" as \\"2006\\""',
    ),
  },
  { call: 'POST /query/c', body: '{"filters":[{"broker_id":"orders"}]}', answer: page(2, 20, 0, [FIRST, SECOND]) },
  {
    call: 'POST /query/c',
    body: '{"filters":[{"nope":1,"broker_id":2},{"x.y":1}]}',
    status: 400,
    answer: bad('"invalid query filter keys in query request body - [nope x.y]"'),
  },
  {
    call: 'POST /query/c',
    body: '{"filters":[{"publish_time":"x"}]}',
    status: 400,
    answer: bad(
      '"invalid timestamp values in query request body - map[publish_time:failed to parse time: parsing time \\"x\\" as \\"2006-01-02T15:04:05.99999999Z\\": cannot parse \\"x\\" as \\"2006\\"]"',
    ),
  },
  {
    call: 'POST /query/c',
    body: '{"filters":[{"publish_time":5}]}',
    status: 400,
    answer: bad('"invalid timestamp values in query request body - map[publish_time:invalid time format]"'),
  },
  {
    call: 'POST /query/c',
    body: '{"filters":[]}',
    status: 400,
    answer: bad('"(BadValue) $and/$or/$nor must be a nonempty array"'),
  },
  {
    call: 'POST /query/c',
    body: '{}',
    status: 400,
    type: TEXT_TYPE,
    answer: bad(`"Key: 'GetQueriedRequestBody.Filters' Error:Field validation for 'Filters' failed on the 'required' tag"`),
  },
  {
    call: 'POST /query/c',
    body: '{"filters":{}}',
    status: 400,
    type: TEXT_TYPE,
    answer: bad(
      '"json: cannot unmarshal object into Go struct field GetQueriedRequestBody.filters of type []map[string]interface {}"',
    ),
  },
  {
    call: 'POST /query/c',
    body: '{"filters":[1]}',
    status: 400,
    type: TEXT_TYPE,
    answer: bad(
      '"json: cannot unmarshal number into Go struct field GetQueriedRequestBody.filters of type map[string]interface {}"',
    ),
  },
  { call: 'GET /nothing', status: 404, type: 'text/plain', answer: '404 page not found' },
  { call: 'PUT /exact/c/x', status: 404, type: 'text/plain', answer: '404 page not found' },
  { call: 'GET /exact/c', status: 404, type: 'text/plain', answer: '404 page not found' },
]

const summary = (counts: string, status = 200, errors = '{}'): string => {
  const told: Readonly<Record<number, string>> = {
    200: 'resubmission successful',
    206: 'partial resubmission',
    400: 'resubmission failed due to bad request',
  }
  return `{"status":${status},"msg":"${told[status]}","summary":{${counts}},"errors":${errors}}`
}
const counts = (indexed: number, published = indexed, starting?: number): string =>
  `${starting === undefined ? '' : `"starting_count":${starting},`}"indexed_count":${indexed},"fetched_count":${indexed},"deserialized_count":${indexed},"published_count":${published}`
const refused = (error: string): string => `{"error":${error},"msg":"resubmission failed due to bad request"}`
const BINDING = 'error occurred during binding JSON to request body: '

const resubmitter: readonly Exchange[] = [
  {
    call: 'POST /resubmit/c',
    body: '{"ids":[]}',
    status: 400,
    answer: '{"msg":"topic was not defined as a query parameter nor as an environment variable"}',
  },
  { call: 'POST /resubmit/c?topic=t', body: '{"ids":["orders_0_0","orders_0_1","nope"]}', answer: summary(counts(2, 2, 3)) },
  { call: 'POST /resubmit/c?topic=t', body: '{"ids":[]}', answer: summary(counts(0)) },
  {
    call: 'POST /resubmit/c?topic=t',
    body: '{}',
    status: 400,
    type: TEXT_TYPE,
    answer: refused(`"Key: 'request.Ids' Error:Field validation for 'Ids' failed on the 'required' tag"`),
  },
  { call: 'POST /resubmit/c?topic=t', status: 400, type: TEXT_TYPE, answer: refused('"EOF"') },
  { call: 'POST /resubmit/c?topic=t', body: '{"ids":', status: 400, type: TEXT_TYPE, answer: refused('"unexpected EOF"') },
  { call: 'POST /range/c?topic=t', body: '{"broker_id":"orders"}', answer: summary(counts(2)) },
  {
    call: 'POST /range/c?topic=t',
    body: '{"broker_id":"orders","lb":"2023-02-05T19:20:55.1Z","ub":"2023-02-05T19:20:56+00:00"}',
    answer: summary(counts(1)),
  },
  {
    call: 'POST /range/c?topic=t',
    body: '{"broker_id":"orders","lb":"0001-01-01T00:00:00Z","ub":"2021-09-27T14:15:05Z"}',
    answer: summary(counts(0)),
  },
  {
    call: 'POST /range/c?topic=t',
    body: '{"broker_id":""}',
    status: 400,
    type: TEXT_TYPE,
    answer: refused(
      `"${BINDING}Key: 'intervalRequest.BrokerID' Error:Field validation for 'BrokerID' failed on the 'required' tag"`,
    ),
  },
  {
    call: 'POST /range/c?topic=t',
    body: '{"broker_id":5}',
    status: 400,
    type: TEXT_TYPE,
    answer: refused(`"${BINDING}json: cannot unmarshal number into Go struct field intervalRequest.broker_id of type string"`),
  },
  {
    call: 'POST /range/c?topic=t',
    body: '{"broker_id":"orders","lb":"x"}',
    status: 400,
    type: TEXT_TYPE,
    answer: refused(`"${BINDING}parsing time \\"x\\" as \\"2006-01-02T15:04:05Z07:00\\": cannot parse \\"x\\" as \\"2006\\""`),
  },
  { call: 'POST /query/c?topic=t', body: '{"filters":[{"broker_id":"orders"}]}', answer: summary(counts(2)) },
  {
    call: 'POST /query/c?topic=t',
    body: '{"filters":[{"nope":1}]}',
    status: 400,
    answer: summary(counts(0), 400, '{"indexer_errors":[{"reason":"invalid query filter keys in query request body - [nope]"}]}'),
  },
  {
    call: 'POST /query/c?topic=t',
    body: '{"filters":[]}',
    status: 400,
    answer: summary(counts(0), 400, '{"indexer_errors":[{"reason":"(BadValue) $and/$or/$nor must be a nonempty array"}]}'),
  },
  {
    call: 'POST /query/c?topic=t',
    body: '{}',
    status: 400,
    type: TEXT_TYPE,
    answer: refused(
      `"${BINDING}Key: 'QueryRequestBody.Filters' Error:Field validation for 'Filters' failed on the 'required' tag"`,
    ),
  },
  { call: 'GET /resubmit/c', status: 404, type: 'text/plain', answer: '404 page not found' },
]

async function exchange(url: string, { call, body }: Exchange): Promise<Omit<Exchange, 'call' | 'body'>> {
  const [method, path] = call.split(' ') as [string, string]
  const response = await fetch(url + path, { method, ...(body === undefined ? {} : { body }) })
  const answer = (await response.text()).replaceAll(LOCATION, 'gs://b/x.avro')
  return { status: response.status, type: response.headers.get('content-type') ?? '', answer }
}

describe('the Indexer API answers as Dataphos does, byte for byte', () => {
  it.each(indexer)('$call $body', async (one) => {
    const { status = 200, type = JSON_TYPE, answer } = one
    expect(await exchange(scene.indexerUrl, one)).toEqual({ status, type, answer })
  })

  it('refuses an end that is still to come', async () => {
    const { status, text } = await scene.get('/range/c/orders?to=2999-01-01T00:00:00Z')
    expect(status).toBe(400)
    expect(text).toMatch(
      /^\{"error":"error during upper interval bound parsing: the given bound can't be in the future \(current time: [-\d]+ [:.\d]+ \+0000 UTC, given time:2999-01-01 00:00:00 \+0000 UTC\)","message":"bad request"\}$/u,
    )
  })
})

describe('the Resubmitter answers as Dataphos does, byte for byte', () => {
  it.each(resubmitter)('$call $body', async (one) => {
    const { status = 200, type = JSON_TYPE, answer } = one
    expect(await exchange(scene.resubmitterUrl, one)).toEqual({ status, type, answer })
  })

  it('tells each message that the target refuses', async () => {
    scene.sink.refuse = (position) => (position === 1 ? 'no' : undefined)
    try {
      const one = { call: 'POST /resubmit/c?topic=t', body: '{"ids":["orders_0_0","orders_0_1"]}', answer: '' }
      const errors = '{"pipeline_errors":[{"id":"orders_0_1","reason":"publish_error"}]}'
      expect(await exchange(scene.resubmitterUrl, one)).toMatchObject({
        status: 206,
        answer: summary(counts(2, 1, 2), 206, errors),
      })
      const alone = { ...one, body: '{"ids":["orders_0_1"]}' }
      expect(await exchange(scene.resubmitterUrl, alone)).toMatchObject({
        status: 400,
        answer: summary(counts(1, 0, 1), 400, errors),
      })
    } finally {
      scene.sink.refuse = undefined
    }
  })
})
