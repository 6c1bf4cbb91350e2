import { linesOf } from './fields.ts'
import type { SearchRun } from './run.ts'

/** A page is held in memory until it is whole. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024

/**
 * The messages of a search as one JSON text: `{"messages":[…],"next":…,"stopped":…,"stats":…}`. A page that would be too large ends before.
 * @throws MillpondError as the search.
 */
export async function pageJson(run: SearchRun, fields: readonly string[] | undefined): Promise<string> {
  const parts: string[] = []
  let characters = 0
  for await (const found of run.found) {
    const lines = linesOf(found, fields)
    const text = Buffer.from(lines.buffer, lines.byteOffset, lines.byteLength).toString()
    parts.push(text.trimEnd().replaceAll('\n', ','))
    characters += text.length
    if (characters > MAX_PAGE_BYTES) run.stopHere()
  }
  const { next, stopped, stats } = run.end()
  return `{"messages":[${parts.join(',')}],"next":${JSON.stringify(next)},"stopped":${JSON.stringify(stopped)},"stats":${JSON.stringify(stats)}}`
}
