import { batchOf } from '../batch/builder.ts'
import type { Layout } from './layout.ts'
import type { Part } from './parts.ts'

/** Past so many texts what is remembered is forgotten. */
const MAX_REMEMBERED = 1_000

/** What paths of these parts say of a moment; nothing where no key is made of the wall clock. */
export function clockTextOf(parts: readonly Part[]): Pick<Layout, 'clockText'> {
  if (!parts.some((part) => (part.kind === 'term' || part.kind === 'object') && part.isClock === true)) return {}
  // Names of objects may be made of it too; but messages of two moments may share an object.
  const terms = parts.flatMap((part) => (part.kind === 'term' && part.isClock === true ? [part.create()] : []))
  const any = batchOf([{ position: 0, timestamp: 0 }])
  const clockText = (nowMs: number): string => {
    const texts = terms.map((term) => {
      if (term.size() > MAX_REMEMBERED) term.clear()
      const code = term.open(any, { nowMs }).code(0)
      return code < 0 ? '' : term.text(code)
    })
    return texts.join('\n')
  }
  return { clockText }
}
