/** How many code points a text has. */
export function codePoints(text: string): number {
  let count = text.length
  for (let at = 0; at < text.length - 1; at++) {
    if (isPair(text, at)) {
      count--
      at++
    }
  }
  return count
}

const isPair = (text: string, at: number): boolean =>
  (text.charCodeAt(at) & 0xfc_00) === 0xd8_00 && (text.charCodeAt(at + 1) & 0xfc_00) === 0xdc_00

/** A part of a text, counted in code points. */
export function codePointSlice(text: string, start: number, end: number): string {
  const from = unitOffset(text, start, 0)
  return text.slice(from, unitOffset(text, end - start, from))
}

/** Where, in UTF-16 units, the text stands `count` code points after `from`. */
function unitOffset(text: string, count: number, from: number): number {
  let at = from
  for (let passed = 0; passed < count && at < text.length; passed++) at += isPair(text, at) ? 2 : 1
  return at
}
