import { describe, expect, it } from 'vitest'
import { explainS3, failureOf } from '../../../src/adapters/s3/errors.ts'
import { MillpondError } from '../../../src/errors.ts'
import type { RequestKind } from '../../../src/store/requests.ts'

const place = { bucket: 'archive', region: 'eu-west-1' }

/** An error as the SDK throws it for an answer. */
const answered = (status: number, name: string, headers: Record<string, string> = {}): Error =>
  Object.assign(new Error('the words of the service'), {
    name,
    $metadata: { httpStatusCode: status },
    $response: { statusCode: status, headers },
  })
const system = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code, syscall: 'connect' })

const explained = (error: Error, kind: RequestKind = 'put') => explainS3(error, { kind, key: 'some/key' }, place)

describe('explainS3', () => {
  it.each([
    { error: answered(503, 'SlowDown'), code: 'STORE_UNAVAILABLE' },
    { error: answered(500, 'InternalError'), code: 'STORE_UNAVAILABLE' },
    { error: answered(200, 'InternalError'), code: 'STORE_UNAVAILABLE' },
    { error: answered(502, 'SyntaxError'), code: 'STORE_UNAVAILABLE' },
    { error: answered(429, 'TooManyRequests'), code: 'STORE_UNAVAILABLE' },
    { error: answered(400, 'RequestTimeout'), code: 'STORE_UNAVAILABLE' },
    { error: answered(400, 'BadDigest'), code: 'STORE_UNAVAILABLE' },
    { error: answered(409, 'ConditionalRequestConflict'), code: 'STORE_UNAVAILABLE' },
    { error: answered(403, 'RequestTimeTooSkewed'), code: 'STORE_UNAVAILABLE' },
    { error: system('ECONNRESET'), code: 'STORE_UNAVAILABLE' },
    { error: system('ECONNREFUSED'), code: 'STORE_UNAVAILABLE', says: 'check the endpoint' },
    { error: system('EAI_AGAIN'), code: 'STORE_UNAVAILABLE' },
    { error: answered(507, 'XMinioStorageFull'), code: 'STORE_FULL' },
    { error: answered(413, 'EntityTooLarge'), code: 'OBJECT_TOO_LARGE' },
    { error: answered(400, 'KeyTooLongError'), code: 'KEY_INVALID' },
    { error: answered(404, 'NoSuchBucket'), code: 'STORE_REFUSED', says: 'no such bucket' },
    { error: answered(403, 'AccessDenied'), code: 'STORE_REFUSED', says: 's3:PutObject' },
    { error: answered(403, 'InvalidAccessKeyId'), code: 'STORE_REFUSED', says: 'does not know this access key' },
    { error: answered(403, 'SignatureDoesNotMatch'), code: 'STORE_REFUSED', says: 'secret access key' },
    { error: answered(400, 'ExpiredToken'), code: 'STORE_REFUSED', says: 'expired' },
    { error: answered(400, 'InvalidArgument'), code: 'STORE_REFUSED', says: 'the words of the service' },
    { error: answered(501, 'NotImplemented'), code: 'STORE_REFUSED', says: 'checksum' },
    {
      error: answered(301, 'PermanentRedirect', { 'x-amz-bucket-region': 'us-west-2' }),
      code: 'STORE_REFUSED',
      says: 'lies in us-west-2, not in eu-west-1',
    },
    { error: answered(400, 'AuthorizationHeaderMalformed'), code: 'STORE_REFUSED', says: 'not lie in the region eu-west-1' },
    { error: answered(407, 'UnknownError'), code: 'STORE_REFUSED', says: 'proxy' },
    { error: Object.assign(system('ERR_PROXY_TUNNEL'), { statusCode: 403 }), code: 'STORE_REFUSED', says: 'proxy' },
    { error: Object.assign(system('ERR_PROXY_TUNNEL'), { statusCode: 502 }), code: 'STORE_UNAVAILABLE' },
    { error: system('DEPTH_ZERO_SELF_SIGNED_CERT'), code: 'STORE_REFUSED', says: 'certificate' },
  ])('tells $error.name $error.message as $code', ({ error, code, says = '' }) => {
    const told = explained(error)
    expect(told).toMatchObject({ code, cause: error })
    expect(String(told)).toContain('cannot write "some/key" in bucket archive')
    expect(String(told)).toContain(says)
  })

  it('names the right that each request needs', () => {
    const denied = answered(403, 'AccessDenied')
    expect(String(explained(denied, 'get'))).toContain('cannot read "some/key"')
    expect(String(explained(denied, 'get'))).toContain('s3:GetObject and s3:ListBucket')
    expect(String(explained(denied, 'list'))).toContain('s3:ListBucket')
    expect(String(explained(denied, 'delete'))).toContain('s3:DeleteObject')
  })

  it('tells what is not there as missing', () => {
    expect(explained(answered(404, 'NoSuchKey'), 'get')).toMatchObject({ code: 'OBJECT_MISSING' })
  })

  it('leaves alone what is no failure of a request', () => {
    const defect = new TypeError('undefined is not a function')
    expect(explained(defect)).toBe(defect)
    const ours = new MillpondError('STORE_UNAVAILABLE', 'ours')
    expect(explained(ours)).toBe(ours)
    expect(failureOf('text')).toBeUndefined()
  })
})
