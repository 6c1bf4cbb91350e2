import { expireArchive, type ExpireOptions, type ExpireReport } from '../../src/expire/expire.ts'
import type { Subject } from '../../src/expire/find.ts'
import { type ForgetOptions, forgetSubjects } from '../../src/expire/forget.ts'
import type { RetentionRules } from '../../src/expire/retention.ts'
import type { Store } from '../../src/store/store.ts'
import { rules } from '../compact/scene.ts'

/** Expires by one rule for all topics, and deletes at once. */
export const expireAll = (store: Store, retention: RetentionRules, changes: Partial<ExpireOptions> = {}): Promise<ExpireReport> =>
  expireArchive(store, { rulesOf: () => retention, by: 'a test', keepRemovedMs: -1000, ...changes }, { nowMs: () => Date.now() })

export const keyOf = (text: string): Subject => ({ field: 'key', value: Buffer.from(text) })
export const idOf = (text: string): Subject => ({ field: 'id', value: Buffer.from(text) })

/** Forgets in one topic and deletes at once. */
export const forgetAll = (store: Store, subjects: readonly Subject[], changes: Partial<ForgetOptions> = {}) =>
  forgetSubjects(store, {
    topic: 'orders',
    subjects,
    reason: 'request 17',
    by: 'a test',
    graceMs: 0,
    merge: rules.merge,
    ...changes,
  })
