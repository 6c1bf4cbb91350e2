import { stringify } from 'yaml'
import type { AccountEntry, Migration, Outcome } from './draft.ts'

const ORDER: readonly Outcome[] = ['unknown', 'unsupported', 'mapped', 'standard', 'fixed']

const TITLES: Readonly<Record<Outcome, string>> = {
  unknown: 'Unknown: look at these',
  unsupported: 'Not supported',
  mapped: 'Mapped',
  standard: 'Not given, but its default says something',
  fixed: 'Always so, or of no consequence here',
}

const MAX_VALUE = 60

const shown = (value: string): string => {
  const line = value.replaceAll(/[\r\n\t]/gu, (character) => JSON.stringify(character).slice(1, -1))
  return line.length > MAX_VALUE ? `${line.slice(0, MAX_VALUE)}…` : line
}

const entryLine = ({ property, value, keys, note }: AccountEntry): string => {
  const arrow = keys.length === 0 ? '' : ` → ${keys.join(', ')}`
  return `${property}=${shown(value)}${arrow}${note === '' ? '' : `: ${note}`}`
}

/** How many properties became of what, in one line. */
export function migrationSummary({ account }: Migration): string {
  const counts = ORDER.toReversed().map(
    (outcome) => [account.filter((entry) => entry.outcome === outcome).length, outcome] as const,
  )
  return counts
    .filter(([count]) => count > 0)
    .map(([count, outcome]) => `${count} ${outcome}`)
    .join(', ')
}

/** What became of each property, a line each, by what became of it. */
export function accountLines({ account }: Migration): string[] {
  return ORDER.flatMap((outcome) => {
    const entries = account.filter((entry) => entry.outcome === outcome)
    return entries.length === 0 ? [] : [`${TITLES[outcome]}:`, ...entries.map((entry) => `  ${entryLine(entry)}`)]
  })
}

/** The configuration file, with the account as comments before it. */
export function migrationYaml(migration: Migration): string {
  const { from, config, variables } = migration
  const needed = variables.map(({ name, property }) => `Set ${name} to what ${property} held.`)
  const comments = [`Made from the configuration of: ${from}`, ...needed, '', ...accountLines(migration)]
  return `${comments.map((line) => `# ${line}`.trimEnd()).join('\n')}\n\n${stringify(config, { lineWidth: 0 })}`
}
