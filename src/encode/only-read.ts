import { MillpondError } from '../errors.ts'
import type { Format } from './block.ts'
import type { SegmentFormat } from './segment-format.ts'

/** What writes, for a format that others write and that is only read here. @throws MillpondError `FORMAT_UNSUPPORTED`, all of it. */
export function onlyRead(format: Format): Pick<SegmentFormat, 'createEncoder' | 'findUnencodable' | 'openFraming'> {
  const refuse = (): never => {
    throw new MillpondError('FORMAT_UNSUPPORTED', `the format ${format} is only read`)
  }
  return { createEncoder: refuse, findUnencodable: refuse, openFraming: refuse }
}
