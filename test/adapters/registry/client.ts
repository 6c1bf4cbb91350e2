import type { RegistryOptions } from '../../../src/adapters/registry/options.ts'
import { openSchemaRegistry } from '../../../src/adapters/registry/schema-registry.ts'
import type { RetryPolicy } from '../../../src/store/retry.ts'

/** Three attempts without a pause. */
export const quickRetry: RetryPolicy = {
  maxAttempts: 3,
  firstDelayMs: 1,
  maxDelayMs: 1,
  budgetMs: 60_000,
  random: () => 0,
  nowMs: () => performance.now(),
  wait: () => Promise.resolve(),
}

/** A client that waits for nothing long. */
export const openTestRegistry = (urls: readonly string[], options: Partial<RegistryOptions> = {}) =>
  openSchemaRegistry({ urls, timeoutMs: 2000, cacheCount: 100, retry: quickRetry, ...options })
