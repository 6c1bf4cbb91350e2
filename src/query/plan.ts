/** The filters that stand right above one scan in the plan of a query, as text in SQL over the columns of the scan. */
export interface ScanFilters {
  /** The name of the table function that scans, in upper case. */
  readonly scan: string
  readonly filters: readonly string[]
}

interface PlanNode {
  readonly name: string
  readonly children: readonly PlanNode[]
  readonly extra_info: Readonly<Record<string, unknown>>
}

/**
 * The scans of a plan that DuckDB's `EXPLAIN (FORMAT json)` gives, those whose name begins with `prefix`. Its optimizer has brought every
 * condition as near to its scan as it may, through views, joins and subqueries, and has worked out what is constant: so what stands above a
 * scan may be asked of the index in its place.
 */
export function scansOf(plan: string, prefix: string): ScanFilters[] {
  const found: ScanFilters[] = []
  const walk = (node: PlanNode, filters: readonly string[]): void => {
    if (node.name.startsWith(prefix)) found.push({ scan: node.name.trim(), filters })
    for (const [at, child] of node.children.entries()) walk(child, at === 0 ? passedOn(node, filters) : [])
  }
  for (const node of JSON.parse(plan) as PlanNode[]) walk(node, [])
  return found
}

/** What the first child of a node must fulfil as well. */
function passedOn({ name, extra_info: says }: PlanNode, above: readonly string[]): readonly string[] {
  if (name === 'FILTER') return [...above, ...text(says['Expression'])]
  // A list of many values becomes a join that only marks rows; it keeps the names of columns, and every row.
  return name === 'HASH_JOIN' && says['Join Type'] === 'MARK' ? above : []
}

/** An expression. A plan breaks and trims text at its line feeds: such a one is not what was written, and says nothing here. */
const text = (value: unknown): string[] => (typeof value === 'string' ? [withoutMark(value)] : [])

/** A mark is no SQL. It stands first. */
const withoutMark = (expression: string): string => expression.replace(/^\(IN \(\.\.\.\) AND /u, '(')
