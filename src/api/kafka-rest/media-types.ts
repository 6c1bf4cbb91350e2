/** What keys and values of a request can be. */
export const EMBEDDED_FORMATS = ['binary', 'json', 'avro'] as const

/** What keys and values of a request are. */
export type EmbeddedFormat = (typeof EMBEDDED_FORMATS)[number]

const EMBEDDED = new RegExp(String.raw`^application/vnd\.kafka\.(?<format>${EMBEDDED_FORMATS.join('|')})\.v2\+json$`, 'u')

/** The format that a content type names; undefined for one that is none of the proxy's. */
export function embeddedFormat(contentType: string | undefined): EmbeddedFormat | undefined {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  return EMBEDDED.exec(type)?.groups?.['format'] as EmbeddedFormat | undefined
}

/** The content type of an answer where the caller has no wish. */
export const ANSWER_TYPE = 'application/vnd.kafka.v2+json'

/** What answers can be called: they are the same JSON. */
export const OFFERED = [ANSWER_TYPE, 'application/vnd.kafka+json', 'application/json'] as const

/** The content type of an answer that a caller with this `Accept` takes and likes best; undefined where there is none. */
export function answerType(accept: string | undefined): string | undefined {
  if (accept === undefined || accept.trim() === '') return ANSWER_TYPE
  const ranges = accept.split(',').map(parseRange)
  let best: { readonly type: string; readonly quality: number } | undefined
  for (const type of OFFERED) {
    const quality = qualityOf(type, ranges)
    if (quality > (best?.quality ?? 0)) best = { type, quality }
  }
  return best?.type
}

interface MediaRange {
  readonly range: string
  readonly quality: number
}

function parseRange(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const quality = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1)
  return { range, quality: Number.isFinite(quality) ? quality : 0 }
}

/** What the most exact range that the type falls into says of it. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const wanted of [type, `${type.split('/')[0]}/*`, '*/*']) {
    const found = ranges.find(({ range }) => range === wanted)
    if (found !== undefined) return found.quality
  }
  return 0
}
