import { nearest } from '../nearest.ts'
import { createDraft, type Migration, type Property, type Rule, shownValue } from './draft.ts'

/** Rules by the names of properties; patterns are asked where no name fits. */
export interface RuleBook {
  readonly names: Readonly<Record<string, Rule>>
  readonly patterns?: readonly (readonly [RegExp, Rule])[]
}

/** Rule books as one; of two rules for a name the later counts. */
export const joinBooks = (...books: readonly RuleBook[]): RuleBook => ({
  names: Object.assign({}, ...books.map(({ names }) => names)) as Readonly<Record<string, Rule>>,
  patterns: books.flatMap(({ patterns = [] }) => patterns),
})

/** A property that has no rule is named, with the known one that it may have been meant to be. */
const unknown = (book: RuleBook, name: string): string => {
  const near = nearest(name, Object.keys(book.names))
  return near === undefined ? 'nothing is known of it' : `nothing is known of it; was ${near} meant?`
}

export interface Translation {
  readonly from: string
  readonly book: RuleBook
  /** Defaults that say something where the property is not there. */
  readonly standards: Readonly<Record<string, string>>
  /** Older names of properties; where one is there the default does not count. */
  readonly aliases?: Readonly<Record<string, readonly string[]>>
  /** Sets what no single property says. */
  readonly complete: (draft: ReturnType<typeof createDraft>) => void
}

/** Runs the rules over all properties, then over defaults that were not there. */
export function translate(
  given: ReadonlyMap<string, string>,
  { from, book, standards, aliases = {}, complete }: Translation,
): Migration {
  // Where an older name says it, the default does not.
  const standing = Object.entries(standards).filter(([name]) => !(aliases[name] ?? []).some((one) => given.has(one)))
  const draft = createDraft(given, Object.fromEntries(standing))
  const strays: Property[] = []
  const all = [
    ...[...given].map(([name, value]) => ({ name, value, isStandard: false })),
    ...standing.filter(([name]) => !given.has(name)).map(([name, value]) => ({ name, value, isStandard: true })),
  ]
  for (const property of all) {
    const { names, patterns = [] } = book
    const rule = Object.hasOwn(names, property.name)
      ? names[property.name]
      : patterns.find(([pattern]) => pattern.test(property.name))?.[1]
    if (rule === undefined) strays.push(property)
    else rule(property, draft)
  }
  complete(draft)
  const migration = draft.finish(from)
  const entries = strays.map(({ name, value }) => ({
    property: name,
    value: shownValue(name, value),
    outcome: 'unknown' as const,
    keys: [],
    note: unknown(book, name),
  }))
  return { ...migration, account: [...migration.account, ...entries] }
}
