import { RestError } from '@azure/storage-blob'
import { describe, expect, it } from 'vitest'
import { azureStoreError } from '../../../src/adapters/azure/errors.ts'
import { MillpondError } from '../../../src/errors.ts'

const terms = { kind: 'part', key: 'a/b' } as const
const place = 'https://account.blob.core.windows.net/container'

describe('a refusal of Azure Blob Storage', () => {
  it.each([
    { statusCode: 403, code: 'AuthenticationFailed', means: 'STORE_REFUSED', says: 'credentials' },
    { statusCode: 401, code: 'NoAuthenticationInformation', means: 'STORE_REFUSED', says: 'credentials' },
    { statusCode: 403, code: 'AuthorizationPermissionMismatch', means: 'STORE_REFUSED', says: 'Storage Blob Data Contributor' },
    { statusCode: 404, code: 'ContainerNotFound', means: 'STORE_REFUSED', says: 'container' },
    { statusCode: 409, code: 'BlobImmutableDueToPolicy', means: 'STORE_READ_ONLY', says: 'policy' },
    { statusCode: 412, code: 'LeaseIdMissing', means: 'STORE_READ_ONLY', says: 'lease' },
    { statusCode: 409, code: 'BlobArchived', means: 'STORE_REFUSED', says: 'rehydrate' },
    { statusCode: 400, code: 'Md5Mismatch', means: 'STORE_UNAVAILABLE', says: 'damaged' },
    { statusCode: 413, code: 'RequestBodyTooLarge', means: 'OBJECT_TOO_LARGE', says: '50,000' },
    { statusCode: 400, code: 'InvalidHeaderValue', means: 'STORE_REFUSED', says: 'settings' },
    { statusCode: 429, code: 'TooManyRequests', means: 'STORE_UNAVAILABLE', says: 'later' },
    { statusCode: 500, code: 'OperationTimedOut', means: 'STORE_UNAVAILABLE', says: 'later' },
    { statusCode: 503, code: 'ServerBusy', means: 'STORE_UNAVAILABLE', says: 'later' },
    { statusCode: 503, code: undefined, means: 'STORE_UNAVAILABLE', says: '(503)' },
  ])('with $statusCode $code means $means', ({ statusCode, code, means, says }) => {
    const error = azureStoreError(
      new RestError('words', { statusCode, ...(code === undefined ? {} : { code }) }),
      terms,
      place,
    ) as Error
    expect(error).toMatchObject({ code: means, details: { kind: 'part', key: 'a/b', place, status: statusCode } })
    expect(error.message).toMatch(/^cannot write a part of "a\/b" in https:\/\/account\.blob\.core\.windows\.net\/container \(/u)
    expect(error.message).toContain(says)
  })

  it('whose code stands in a header alone is known by that', () => {
    const answered = Object.assign(new RestError('words', { statusCode: 404 }), { details: { errorCode: 'ContainerNotFound' } })
    expect(azureStoreError(answered, terms, place)).toMatchObject({ code: 'STORE_REFUSED' })
  })
})

describe('a failure on the way to Azure Blob Storage', () => {
  const sendError = (systemCode: string) =>
    new RestError('of the system', {
      code: 'REQUEST_SEND_ERROR',
      cause: Object.assign(new Error('of the system'), { code: systemCode }),
    } as object)

  it.each([
    { error: Object.assign(new Error('x'), { code: 'ECONNRESET' }), means: 'STORE_UNAVAILABLE' },
    { error: new RestError('x', { code: 'ECONNREFUSED' }), means: 'STORE_UNAVAILABLE' },
    { error: sendError('ENOTFOUND'), means: 'STORE_UNAVAILABLE' },
    { error: new RestError('x', { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }), means: 'STORE_REFUSED' },
    { error: Object.assign(new Error('x'), { name: 'AbortError' }), means: 'STORE_UNAVAILABLE' },
    { error: Object.assign(new Error('x'), { name: 'CredentialUnavailableError' }), means: 'STORE_REFUSED' },
    { error: Object.assign(new Error('x'), { name: 'AuthenticationError', statusCode: 503 }), means: 'STORE_UNAVAILABLE' },
    { error: Object.assign(new Error('x'), { name: 'AuthenticationError', statusCode: 401 }), means: 'STORE_REFUSED' },
  ])('by $error.name $error.code means $means', ({ error, means }) => {
    expect(azureStoreError(error, terms, place)).toMatchObject({ code: means })
  })

  it('stays what it is where it is a defect, or told already', () => {
    const defect = new TypeError('x is not a function')
    expect(azureStoreError(defect, terms, place)).toBe(defect)
    const told = new MillpondError('OBJECT_MISSING', 'told')
    expect(azureStoreError(told, terms, place)).toBe(told)
  })
})
