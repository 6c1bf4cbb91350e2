/** Reads a table as RFC 4180 has it, record ends being line feeds: an empty field is null, and an empty one in quotes empty text. */
export function parseCsv(text: string, delimiter: string): (string | null)[][] {
  const rows: (string | null)[][] = []
  let at = 0
  while (at < text.length) {
    const row: (string | null)[] = []
    for (;;) {
      let field: string | null = null
      if (text[at] === '"') {
        field = ''
        for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
          if (at >= text.length) throw new Error('a quote is not closed')
          if (text[at] === '"') at++
          field += text[at]
        }
        at++
      } else {
        const start = at
        while (at < text.length && text[at] !== delimiter && text[at] !== '\n') at++
        if (at > start) field = text.slice(start, at)
      }
      row.push(field)
      if (text[at] === '\n') break
      if (text[at] !== delimiter) throw new Error(`a sign between fields is expected at ${at}`)
      at++
    }
    at++
    rows.push(row)
  }
  return rows
}
