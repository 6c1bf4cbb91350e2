import { afterEach, describe, expect, it } from 'vitest'
import { openS3Store } from '../../../src/adapters/s3/store.ts'
import { createSecret } from '../../../src/secret.ts'
import { standardRetry } from '../../../src/store/retry.ts'
import type { Store } from '../../../src/store/store.ts'
import { type Answer, type Recorded, startRecorder } from './middlemen.ts'

// What Amazon's service answers and the servers of the other tests do not: conflicts, and errors in answers that had begun well.

const WRITE_ID = 'x-amz-meta-millpond-write'
const error = (status: number, code: string): Answer => ({
  status,
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>so it is</Message></Error>`,
})
const conflict = error(409, 'ConditionalRequestConflict')
const taken = error(412, 'PreconditionFailed')
const gone = error(404, 'NoSuchUpload')
const missing: Answer = { status: 404 }
const done: Answer = { status: 200, headers: { etag: '"x"' } }

const begun = '<InitiateMultipartUploadResult><UploadId>upload</UploadId></InitiateMultipartUploadResult>'
const completed = '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>'

let opened: AsyncDisposable[] = []
afterEach(async () => {
  for (const one of opened.reverse()) await one[Symbol.asyncDispose]()
  opened = []
})

/** A store whose service answers by this plan, one answer a request of a kind; `head` finds the object of this or of another write. */
async function openPlanned(plan: Readonly<Record<string, Answer[]>>, head: 'ours' | 'theirs' | 'none' = 'none') {
  let writeId = ''
  const asked: string[] = []
  const kindOf = ({ method, path }: Recorded): string => {
    if (method === 'POST') return path.includes('uploads') ? 'begin' : 'complete'
    return path.includes('partNumber') ? 'part' : method.toLowerCase()
  }
  const recorder = await startRecorder((request) => {
    const kind = kindOf(request)
    asked.push(kind)
    writeId = String(request.headers[WRITE_ID] ?? writeId)
    const planned = plan[kind]?.shift()
    if (planned !== undefined) return planned
    if (kind === 'begin') return begun
    if (kind === 'complete') return completed
    if (kind !== 'head') return done
    return head === 'none' ? missing : { status: 200, headers: { [WRITE_ID]: head === 'ours' ? writeId : 'another' } }
  })
  const store = await openS3Store({
    bucket: 'b',
    endpoint: recorder.url,
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: createSecret('b') },
    partBytes: 5 * 1024 * 1024,
    retry: { ...standardRetry, maxAttempts: 4, firstDelayMs: 1 },
  })
  opened.push(recorder, store)
  return { store, asked: () => asked.join(' ') }
}

const bytes = new Uint8Array(100)

async function writeParts(store: Store) {
  const writer = await store.openWriter('key')
  await writer.write(new Uint8Array(6 * 1024 * 1024))
  return writer.finish()
}

describe('a conditional write of one request', () => {
  it.each([
    { put: [conflict], head: 'none', outcome: 'created', asked: 'put put', because: 'the other write came to nothing' },
    { put: [conflict, taken], head: 'theirs', outcome: 'exists', asked: 'put put head', because: 'the other write was first' },
    { put: [conflict, taken], head: 'ours', outcome: 'created', asked: 'put put head', because: 'it was made all the same' },
    { put: [taken], head: 'theirs', outcome: 'exists', asked: 'put', because: 'the first answer leaves no doubt' },
    {
      put: [error(500, 'InternalError'), taken],
      head: 'none',
      outcome: 'exists',
      asked: 'put put head',
      because: 'it is gone again',
    },
  ] as const)('is $outcome after $asked: $because', async ({ put, head, outcome, asked }) => {
    const planned = await openPlanned({ put: [...put] }, head)
    expect(await planned.store.putIfAbsent('key', bytes)).toBe(outcome)
    expect(planned.asked()).toBe(asked)
  })

  it('is given up where conflicts do not end', async () => {
    const { store } = await openPlanned({ put: [conflict, conflict, conflict, conflict] })
    await expect(store.putIfAbsent('key', bytes)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  })
})

describe('a conditional write in parts', () => {
  const parts = 'begin part part'

  it.each([
    { complete: [], head: 'none', outcome: 'created', asked: `${parts} complete`, because: 'all is well' },
    { complete: [taken], head: 'theirs', outcome: 'exists', asked: `${parts} complete delete`, because: 'the key is taken' },
    {
      complete: [conflict, gone],
      head: 'theirs',
      outcome: 'exists',
      asked: `${parts} complete complete head delete`,
      because: 'a conflict ends the upload, and another write was first',
    },
    {
      complete: [error(500, 'InternalError'), gone],
      head: 'ours',
      outcome: 'created',
      asked: `${parts} complete complete head`,
      because: 'the first request had made it',
    },
    {
      complete: [{ status: 200, body: '<Error><Code>InternalError</Code></Error>' }],
      head: 'none',
      outcome: 'created',
      asked: `${parts} complete complete`,
      because: 'an answer may begin well and end in an error',
    },
  ] as const)('is $outcome after $asked: $because', async ({ complete, head, outcome, asked }) => {
    const planned = await openPlanned({ complete: [...complete] }, head)
    expect(await writeParts(planned.store)).toBe(outcome)
    expect(planned.asked()).toBe(asked)
  })

  it('fails where a conflict ended it and nothing is there', async () => {
    const planned = await openPlanned({ complete: [conflict, gone] })
    await expect(writeParts(planned.store)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(planned.asked()).toBe(`${parts} complete complete head delete`)
  })

  it('does not mind that there is nothing left to take back', async () => {
    const planned = await openPlanned({ complete: [taken], delete: [gone] }, 'theirs')
    expect(await writeParts(planned.store)).toBe('exists')
  })
})
