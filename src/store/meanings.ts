import type { ErrorCode } from '../errors.ts'

/** What a failed request to a store behind a network means, and what to do about it. */
export interface Meaning {
  readonly code: ErrorCode
  readonly remedy: string
}

export const busy: Meaning = {
  code: 'STORE_UNAVAILABLE',
  remedy: 'the service is busy or has a fault of its own; try again later',
}
export const damaged: Meaning = { code: 'STORE_UNAVAILABLE', remedy: 'the bytes were damaged on their way; try again' }
export const wrong: Meaning = { code: 'STORE_REFUSED', remedy: 'check the settings of the store' }

const unreachable: Meaning = {
  code: 'STORE_UNAVAILABLE',
  remedy: 'check the network and the endpoint; the same may succeed later',
}
export const untrusted: Meaning = {
  code: 'STORE_REFUSED',
  remedy: 'its certificate is not trusted: name who signed it as the authority (ca), or check the address',
}
/** The codes of certificates that are not taken, by the names of OpenSSL and Node. */
const UNTRUSTED = /CERT|TLS|SSL|LEAF_SIGNATURE|HOSTNAME_MISMATCH/u

/** What the system's name of a failed connection means. */
export const transportMeaning = (systemCode: string): Meaning => (UNTRUSTED.test(systemCode) ? untrusted : unreachable)
