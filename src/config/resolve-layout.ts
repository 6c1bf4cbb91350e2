import { isMillpondError } from '../errors.ts'
import { createLayout, tellsTopics } from '../layout/create-layout.ts'
import type { LayoutConfig } from '../layout/layout-config.ts'
import { createZone } from '../layout/zone.ts'
import type { ConfigPath, Finding } from './mistake.ts'
import type { FileConfig } from './schema.ts'
import { parseDuration } from './units.ts'

// The schema has let through only what can be counted.
const msOf = (written: string | number): number => parseDuration(written)!

const trimmed = (folder: string): string => folder.replace(/\/+$/u, '')

/** The layout as it is written, its units counted. */
export function resolveLayout({ grace, confluent, hive, ...layout }: FileConfig['layout']): LayoutConfig {
  const { partitionDuration, ...rest } = confluent
  return {
    ...layout,
    graceMs: grace === undefined ? undefined : msOf(grace),
    confluent: { ...rest, partitionDurationMs: msOf(partitionDuration) },
    hive: { ...hive, prefix: trimmed(hive.prefix) },
  }
}

/** What no key of the section can tell alone: templates, patterns, zones, and topics that would share names. */
export function layoutRules({ layout, source, archive }: FileConfig, broken: (path: ConfigPath) => boolean): Finding[] {
  const { timezone } = archive.rotate
  const findings: Finding[] = []
  if (createZone(timezone) === undefined) {
    findings.push({ path: ['archive', 'rotate', 'timezone'], message: `there is no time zone ${JSON.stringify(timezone)}` })
  }
  if (layout.late === 'current' && layout.grace === undefined && !broken(['layout', 'grace'])) {
    findings.push({ path: ['layout', 'late'], message: 'set layout.grace: it says how old a message is that comes late' })
  }
  const config = resolveLayout(layout)
  try {
    createLayout(config)
  } catch (error) {
    if (!isMillpondError(error, 'CONFIG_INVALID')) throw error
    const path = ['layout', ...String(error.details['key']).split('.')]
    return broken(path) ? findings : [...findings, { path, message: String(error.details['reason']) }]
  }
  const isOfMany = source.topics.length > 1 || source.topics.some((topic) => topic.includes('*'))
  if (isOfMany && !tellsTopics(config)) {
    const message = `keys of the layout ${layout.type} do not tell topics apart: put the topic into them, or name one topic in source.topics`
    findings.push({ path: ['layout', 'type'], message })
  }
  return findings
}
