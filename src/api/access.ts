import { MillpondError } from '../errors.ts'

/** What a caller may do: put messages, see messages, send messages of the archive somewhere, everything. `admin` holds all others. */
export type Scope = 'write' | 'read' | 'replay' | 'admin'

/** Who sent a request. */
export interface Caller {
  /** For the audit log, limits and jobs: a key's name, a token's subject, or `anonymous`. Never a secret. */
  readonly name: string
  /** Whether the scope holds for the topic; without a topic, whether it holds for every one. */
  may(scope: Scope, topic?: string): boolean
}

/** The caller where nothing asks who it is: on loopback, without keys. */
export const ANYBODY: Caller = { name: 'anonymous', may: () => true }

interface Known {
  readonly caller: Caller
  wasAsked: boolean
}

const known = new WeakMap<object, Known>()

/** Remembers who sent the request, before its route runs. */
export function setCaller(request: object, caller: Caller): void {
  const one: Known = {
    caller: {
      name: caller.name,
      may(scope, topic) {
        one.wasAsked = true
        return caller.may(scope, topic)
      },
    },
    wasAsked: false,
  }
  known.set(request, one)
}

/** Who sent the request. */
export function callerOf(request: object): Caller {
  const one = known.get(request)
  if (one === undefined) throw new MillpondError('INTERNAL', 'nothing was asked of who calls')
  return one.caller
}

/** Whether anything asked what the sender of the request may do. */
export const wasAsked = (request: object): boolean => known.get(request)?.wasAsked === true

/** @throws MillpondError `FORBIDDEN` where the caller may not do that with the topic, or not with every topic where none is given. */
export function requireAccess(caller: Caller, scope: Scope, topic?: string): void {
  if (caller.may(scope, topic)) return
  const where = topic === undefined ? 'every topic' : `topic ${topic}`
  throw new MillpondError('FORBIDDEN', `${caller.name} may not ${scope} ${where}`, {
    details: { scope, ...(topic === undefined ? {} : { topic }) },
  })
}
