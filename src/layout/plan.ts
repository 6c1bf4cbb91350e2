import { MillpondError } from '../errors.ts'
import type { TimestampExtractor } from './layout-config.ts'
import type { Part } from './parts.ts'
import type { Clock } from './term-time.ts'
import { createZone, type Zone } from './zone.ts'

/** What a preset makes of its settings. */
export interface LayoutPlan {
  readonly parts: readonly Part[]
  /** Where messages without a value go, if not where they would go as others do; the same parts of kind `object`. */
  readonly nullParts?: readonly Part[]
  readonly fields: readonly string[]
  readonly usesSchemas?: boolean
  readonly isUnique: boolean
  /** Whether keys tell topics apart; unique ones need not. */
  readonly tellsTopic: boolean
}

/** What is wrong with the setting at this key of the section `layout`. */
export const layoutInvalid = (key: string, message: string): MillpondError =>
  new MillpondError('CONFIG_INVALID', `layout.${key}: ${message}`, { details: { key, reason: message } })

/** Runs what may find a setting wrong, and says which. @throws MillpondError `CONFIG_INVALID`. */
export function checked<T>(key: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof MillpondError) || 'key' in error.details) throw error
    throw layoutInvalid(key, error.message)
  }
}

/** The zone of a setting. @throws MillpondError `CONFIG_INVALID`. */
export function zoneOf(key: string, id: string): Zone {
  const zone = createZone(id)
  if (zone === undefined)
    throw layoutInvalid(key, `there is no time zone ${JSON.stringify(id)}; names are like Europe/Berlin, UTC or +02:00`)
  return zone
}

/** The clock of an extractor, and the fields that it reads. */
export function clockOf(
  extractor: TimestampExtractor,
  { field, zone }: { readonly field: string; readonly zone: Zone },
): { readonly clock: Clock; readonly fields: readonly string[] } {
  if (extractor === 'RecordField') return { clock: { source: 'field', field, zone }, fields: [field] }
  return { clock: { source: extractor === 'Wallclock' ? 'wallclock' : 'record' }, fields: [] }
}
