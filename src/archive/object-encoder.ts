import type { BlockEncoder } from '../encode/block-encoder.ts'
import { segmentFormat } from '../encode/formats.ts'
import type { ValueKind } from '../values/values.ts'
import type { LaneRun } from './lane-run.ts'
import type { LeftObject } from './takeover.ts'

/** The encoder of an object's messages; of one that is taken over it makes no more than what that has to hold. */
export function createObjectEncoder(
  { options, pool, lane }: LaneRun,
  { left, kind }: { readonly left: LeftObject | undefined; readonly kind: ValueKind | undefined },
): BlockEncoder {
  const format = segmentFormat(options.format)
  const tellsContent = options.layout?.isUnique === false
  const given = { ...options, pool, origin: lane, tellsContent, ...(kind ? { kind } : {}) }
  return left === undefined || format.content === undefined ? format.createEncoder(given) : format.content.createEncoder(given)
}
