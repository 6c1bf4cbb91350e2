/**
 * Builtins with which jq 1.6 goes wrong, as later versions have them (src/builtin.jq of 1.7 and 1.8, read 2026-11; docs/jq.md lists them).
 * Their names begin with `later_`, so that programs can ask for what 1.6 itself does, too.
 */
const definitions = `
def later_update(paths; f):
  reduce path(paths) as $path ([., []];
    . as [$value, $gone]
    | [first($value | getpath($path) | f)] as $new
    | if $new == [] then [$value, $gone + [$path]] else [($value | setpath($path; $new[0])), $gone] end)
  | . as [$value, $gone] | $value | delpaths($gone);
def later_map_values(f): later_update(.[]; f);
def later_walk(f):
  def inner: (if type == "array" then map(inner) elif type == "object" then later_map_values(inner) else . end) | f;
  inner;
def later_last(f): reduce f as $one ([]; [$one]) | .[];
def later_any(f): [first(.[] | f | select(.))] != [];
def later_all(f): [first(.[] | f | select(. | not))] == [];
def later_isempty(f): [first(f)] == [];
def later_limit($n; f): if $n == 0 then empty else limit($n; f) end;
def later_indices($wanted):
  if type != "string" or ($wanted | type) != "string" then indices($wanted)
  elif $wanted == "" then []
  else explode | indices($wanted | explode) end;
def later_index($wanted): later_indices($wanted) | .[0];
def later_rindex($wanted): later_indices($wanted) | .[-1:][0];
`

/** What jq 1.6 runs for a program. */
export const forJq = (program: string): string => definitions + program

/** What ours runs for it: the builtins themselves. */
export const forOurs = (program: string): string => `def update(paths; f): paths |= f; ${program.replaceAll('later_', '')}`
