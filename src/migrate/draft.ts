/** A value of the configuration to be. */
export type ConfigValue = string | number | boolean | readonly ConfigValue[] | { readonly [key: string]: ConfigValue }

/** Sections and keys of the configuration to be, as its file has them. */
export interface ConfigTree {
  [key: string]: ConfigValue | ConfigTree
}

/**
 * What became of a property: keys of the new configuration, behaviour that is always so, nothing, or nobody knows it. `standard` is a
 * property that was not there, and whose default says something all the same.
 */
export type Outcome = 'mapped' | 'standard' | 'fixed' | 'unsupported' | 'unknown'

/** What became of one property. */
export interface AccountEntry {
  readonly property: string
  /** As it is written; secrets are not. */
  readonly value: string
  readonly outcome: Outcome
  /** Dotted keys of the new configuration. */
  readonly keys: readonly string[]
  /** What to know about it, or why it is not supported. */
  readonly note: string
}

/** A variable that has to be set before the new configuration is used. */
export interface NeededVariable {
  readonly name: string
  /** The property whose value it takes. */
  readonly property: string
}

/** A configuration made of that of another tool, and what became of each of its properties. */
export interface Migration {
  readonly from: string
  readonly config: ConfigTree
  readonly account: readonly AccountEntry[]
  readonly variables: readonly NeededVariable[]
}

/** A property of the other tool's configuration. */
export interface Property {
  readonly name: string
  readonly value: string
  /** It was not there; this is the tool's default. */
  readonly isStandard: boolean
}

/** Decides what becomes of a property. */
export type Rule = (property: Property, draft: Draft) => void

/** A migration on its way. */
export interface Draft {
  /** The value of another property, or its default; undefined where there is neither. */
  value(name: string): string | undefined
  /** Sets keys of the configuration, and accounts for the property. */
  map(property: Property, values: Readonly<Record<string, ConfigValue>>, note?: string): void
  /** As `map`, for what nobody should read: the configuration gets a reference to a variable instead. */
  mapSecret(property: Property, path: string, variable: string, note?: string): void
  fixed(property: Property, note: string): void
  unsupported(property: Property, note: string): void
  /** Sets a key that no property says, or one beside those that are accounted for. */
  set(path: string, value: ConfigValue): void
  /** Sets a key to a reference to a variable. */
  setVariable(path: string, variable: string, property: Property): void
  finish(from: string): Migration
}

/** Connect's references to what a config provider gives. */
const PROVIDED = /\$\{([^}:]+):([^}]*)\}/gu

/** Begins a migration of these properties; `standards` are defaults that say something. */
export function createDraft(given: ReadonlyMap<string, string>, standards: Readonly<Record<string, string>>): Draft {
  const config: ConfigTree = {}
  const account: AccountEntry[] = []
  const variables = new Map<string, NeededVariable>()
  const need = (name: string, property: string) => {
    if (!variables.has(name)) variables.set(name, { name, property })
    return `\${${name}}`
  }
  const tell = (
    { name, value, isStandard }: Property,
    outcome: Outcome,
    keys: readonly string[],
    note: string,
    shown = value,
  ) => {
    // A default that changes nothing is nothing to tell.
    if (isStandard && outcome === 'fixed') return
    account.push({
      property: name,
      value: shown,
      outcome: isStandard && outcome !== 'unsupported' ? 'standard' : outcome,
      keys,
      note,
    })
  }
  /** References to what Connect's providers give become variables, and a plain `${` is no reference. */
  const referred = (value: ConfigValue, { name }: Property): ConfigValue => {
    if (Array.isArray(value)) return value.map((one: ConfigValue) => referred(one, { name, value: '', isStandard: false }))
    if (typeof value !== 'string' || !value.includes('${')) return value
    return value
      .replaceAll(PROVIDED, (_, provider: string, path: string) => {
        const variable = provider === 'env' && /^[A-Za-z_]\w*$/u.test(path) ? path : variableName(name)
        return `\u0000${need(variable, name).slice(1)}`
      })
      .replaceAll('${', () => '$${')
      .replaceAll('\u0000', '$')
  }
  return {
    value: (name) => given.get(name) ?? standards[name],
    map(property, values, note = '') {
      for (const [path, value] of Object.entries(values)) put(config, path, referred(value, property))
      tell(property, 'mapped', Object.keys(values), note)
    },
    mapSecret(property, path, variable, note = '') {
      const provided = /^\$\{env:([A-Za-z_]\w*)\}$/u.exec(property.value)?.[1]
      put(config, path, need(provided ?? variable, property.name))
      tell(property, 'mapped', [path], note, '(secret)')
    },
    fixed: (property, note) => tell(property, 'fixed', [], note),
    unsupported: (property, note) => tell(property, 'unsupported', [], note),
    set: (path, value) => put(config, path, value),
    setVariable: (path, variable, { name }) => put(config, path, need(variable, name)),
    finish: (from) => ({ from, config: inOrder(config), account, variables: [...variables.values()] }),
  }
}

const SECTIONS = ['source', 'kafka', 'registry', 'store', 's3', 'gcs', 'azure', 'layout', 'archive', 'http', 'log']

/** The way of the messages through the sections. */
const inOrder = (tree: ConfigTree): ConfigTree =>
  Object.fromEntries(Object.entries(tree).toSorted(([a], [b]) => SECTIONS.indexOf(a) - SECTIONS.indexOf(b)))

/** A name for the variable that takes a property's value: `aws.secret.access.key` is `AWS_SECRET_ACCESS_KEY`. */
const variableName = (property: string): string => property.toUpperCase().replaceAll(/\W+/gu, '_')

function put(tree: ConfigTree, path: string, value: ConfigValue): void {
  const steps = path.split('.')
  const last = steps.pop()!
  let section = tree
  for (const step of steps) {
    section[step] ??= {}
    section = section[step] as ConfigTree
  }
  section[last] = value
}

/** Sets one key to what is written. */
export const mapTo =
  (path: string, note?: string): Rule =>
  (property, draft) =>
    draft.map(property, { [path]: property.value }, note)

/** Sets one key to a number. */
export const mapNumber =
  (path: string, note?: string): Rule =>
  (property, draft) =>
    draft.map(property, { [path]: Number(property.value) }, note)

/** Sets one key to a list that is written with commas. */
export const mapList =
  (path: string, note?: string): Rule =>
  (property, draft) =>
    draft.map(property, { [path]: listOf(property.value) }, note)

/** Refers to a variable instead of what is written. */
export const mapSecretTo =
  (path: string, variable: string, note?: string): Rule =>
  (property, draft) =>
    draft.mapSecret(property, path, variable, note)

/** Behaviour that is always so, or that nothing depends on. */
export const fixed =
  (note: string): Rule =>
  (property, draft) =>
    draft.fixed(property, note)

/** What there is no such thing for; with one of the values in `harmless` nothing is missing. */
export const unsupported =
  (note: string, harmless: readonly string[] = []): Rule =>
  (property, draft) =>
    harmless.includes(property.value) ? draft.fixed(property, 'as it is') : draft.unsupported(property, note)

export const isTrue = (value: string): boolean => value.trim().toLowerCase() === 'true'

export const listOf = (value: string): string[] =>
  value
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')

/** The last name of a Java class: `io.x.Y$Z` is `Z`, without `suffix`. */
export const className = (value: string, suffix = ''): string => {
  const name = value.trim().split(/[.$]/u).at(-1) ?? ''
  return suffix !== '' && name.endsWith(suffix) && name !== suffix ? name.slice(0, -suffix.length) : name
}
