/**
 * Says of a name whether nothing in a statement can be called so but a column of a view, by the statement as `json_serialize_sql` writes it: no alias,
 * no field of a struct, and no text that has the name in it. More names are held for taken than are.
 */
export function ownNames(statement: unknown): (name: string) => boolean {
  const texts: string[] = []
  const isWhole = collect(statement, '', texts)
  return (name) => isWhole && !texts.some((text) => text.includes(name.toLowerCase()))
}

/** What says of a part of the statement what it is: names of types and functions are no names of columns. */
const kinds: ReadonlySet<string> = new Set(['id', 'type', 'class', 'function_name'])

/** Gathers all texts but plain names of columns; false where the statement could not be read. */
function collect(node: unknown, key: string, texts: string[]): boolean {
  if (typeof node === 'string' && !kinds.has(key)) texts.push(node.toLowerCase())
  if (typeof node !== 'object' || node === null) return true
  // A name with a table or struct before it may be a field.
  if (key === 'column_names' && Array.isArray(node) && node.length === 1) return true
  if ((node as { readonly error?: unknown }).error === true) return false
  return Object.entries(node).every(([name, child]) => collect(child, Array.isArray(node) ? key : name, texts))
}
