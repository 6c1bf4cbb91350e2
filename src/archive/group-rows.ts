/** Rows of one target: a part of all rows in their new order. */
export interface RowGroup {
  readonly target: number
  readonly from: number
  to: number
}

/**
 * Rows by target, of which there are `targets`; `targetOf` gives -1 for those that are left out. Groups are in the order of the first row of each, and
 * `rows` holds them one behind the other, rising in each. A hot loop over rows: nothing is made for one.
 */
export function groupRows(
  count: number,
  targets: number,
  targetOf: (row: number) => number,
): { readonly rows: Int32Array; readonly groups: readonly RowGroup[] } {
  const targetAt = new Int32Array(count)
  const ofTarget = new Int32Array(targets)
  for (let row = 0; row < count; row++) {
    const target = targetOf(row)
    targetAt[row] = target
    if (target !== -1) ofTarget[target]!++
  }
  const groups: RowGroup[] = []
  const rows = new Int32Array(count)
  // One more than the index of its group.
  const groupAt = new Int32Array(targets)
  let used = 0
  for (let row = 0; row < count; row++) {
    const target = targetAt[row]!
    if (target === -1) continue
    let group = groupAt[target]!
    if (group === 0) {
      group = groups.push({ target, from: used, to: used })
      groupAt[target] = group
      used += ofTarget[target]!
    }
    rows[groups[group - 1]!.to++] = row
  }
  return { rows: rows.subarray(0, used), groups }
}
