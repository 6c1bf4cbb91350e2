import { describe, expect, it } from 'vitest'
import { credentialsError, refusalError, transportError } from '../../../src/adapters/gcs/errors.ts'
import { MillpondError } from '../../../src/errors.ts'

const json = (message: string, reason: string) => JSON.stringify({ error: { message, errors: [{ reason }] } })
const terms = { kind: 'put', key: 'a/b' } as const

describe('a refusal of Google Cloud Storage', () => {
  it.each([
    { status: 401, body: json('Invalid Credentials', 'authError'), code: 'STORE_REFUSED', says: 'credentials' },
    {
      status: 403,
      body: json('… does not have storage.objects.create access', 'forbidden'),
      code: 'STORE_REFUSED',
      says: 'role',
    },
    { status: 403, body: json('Rate Limit Exceeded', 'rateLimitExceeded'), code: 'STORE_UNAVAILABLE', says: 'later' },
    {
      status: 403,
      body: json('Object is under a retention policy', 'retentionPolicyNotMet'),
      code: 'STORE_READ_ONLY',
      says: 'retention',
    },
    {
      status: 400,
      body: json('Bucket is a requester pays bucket but no user project provided.', 'required'),
      code: 'STORE_REFUSED',
      says: 'userProject',
    },
    { status: 400, body: json('Provided CRC32C "AAAA" does not match', 'invalid'), code: 'STORE_UNAVAILABLE', says: 'damaged' },
    { status: 400, body: json('Invalid argument', 'invalid'), code: 'STORE_REFUSED', says: 'settings' },
    { status: 404, body: json('The specified bucket does not exist.', 'notFound'), code: 'STORE_REFUSED', says: 'bucket' },
    { status: 408, body: '', code: 'STORE_UNAVAILABLE', says: 'later' },
    { status: 413, body: '', code: 'OBJECT_TOO_LARGE', says: '5 TiB' },
    { status: 429, body: json('slow down', 'rateLimitExceeded'), code: 'STORE_UNAVAILABLE', says: 'later' },
    { status: 500, body: 'not even JSON', code: 'STORE_UNAVAILABLE', says: 'not even JSON' },
    {
      status: 503,
      body: '<Error><Code>ServiceUnavailable</Code><Message>Try again</Message></Error>',
      code: 'STORE_UNAVAILABLE',
      says: 'Try again',
    },
  ])('with $status and $body means $code', ({ status, body, code, says }) => {
    const error = refusalError({ status, body: Buffer.from(body) }, terms, 'bucket')
    expect(error).toMatchObject({ code, details: { kind: 'put', key: 'a/b', bucket: 'bucket', status } })
    expect(error.message).toMatch(/^cannot write "a\/b" in gs:\/\/bucket \(/u)
    expect(error.message).toContain(says)
  })
})

describe('a failure on the way to Google Cloud Storage', () => {
  const failure = (systemCode: string) => Object.assign(new Error('of the system'), { code: systemCode })

  it.each([
    { systemCode: 'ECONNREFUSED', code: 'STORE_UNAVAILABLE' },
    { systemCode: 'ENOTFOUND', code: 'STORE_UNAVAILABLE' },
    { systemCode: 'DEPTH_ZERO_SELF_SIGNED_CERT', code: 'STORE_REFUSED' },
    { systemCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', code: 'STORE_REFUSED' },
    { systemCode: 'ERR_TLS_CERT_ALTNAME_INVALID', code: 'STORE_REFUSED' },
  ])('by $systemCode means $code', ({ systemCode, code }) => {
    expect(transportError(failure(systemCode), terms, 'bucket')).toMatchObject({ code, details: { systemCode } })
  })

  it('stays what it is where it is a defect, or told already', () => {
    const defect = new TypeError('x is not a function')
    expect(transportError(defect, terms, 'bucket')).toBe(defect)
    const told = new MillpondError('OBJECT_MISSING', 'told')
    expect(transportError(told, terms, 'bucket')).toBe(told)
  })

  it.each([
    { error: failure('ECONNREFUSED'), code: 'STORE_UNAVAILABLE' },
    { error: Object.assign(new Error('busy'), { response: { status: 503 } }), code: 'STORE_UNAVAILABLE' },
    { error: Object.assign(new Error('invalid_grant'), { response: { status: 400 }, code: '400' }), code: 'STORE_REFUSED' },
    { error: new Error('Could not load the default credentials'), code: 'STORE_REFUSED' },
  ])('for credentials ($error.message) means $code', ({ error, code }) => {
    const told = credentialsError(error, 'bucket')
    expect(told).toMatchObject({ code, message: expect.stringContaining(error.message) as string })
    // The library's errors hold the request that showed who asks.
    expect(told.cause).toBeUndefined()
  })
})
