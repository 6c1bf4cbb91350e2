import { escapeText, type Escaping } from './escape.ts'
import { uuidOf } from './firehose.ts'
import type { AzurePersistorLayoutConfig } from './layout-config.ts'
import { type Part, text, timePart } from './parts.ts'
import { type LayoutPlan, zoneOf } from './plan.ts'
import { createTimeFormat } from './time-pattern.ts'

/**
 * Names as the Azure Persistor writes them: `<folder>/<year>/<month>/<day>/<uuid>.txt`, months and days without zeros; with its timed
 * append blobs the hour and the minute instead of the UUID, here followed by lane and position, for a blob is never appended to.
 * Source: aquarium-persistor-azure, behaviour read 2026-11.
 * @throws MillpondError `CONFIG_INVALID`.
 */
export function planAzurePersistor(config: AzurePersistorLayoutConfig, strict: boolean): LayoutPlan {
  const escaping: Escaping = { strict }
  const zone = zoneOf('azurePersistor.timezone', config.timezone)
  const format = createTimeFormat('yyyy/M/d', { zone, locale: 'en', flavour: 'java' })
  const minutes = createTimeFormat('H-m', { zone, locale: 'en', flavour: 'java' })
  const { storeParam } = config
  const folder: Part =
    storeParam === undefined
      ? { kind: 'lane', name: 'topic', write: ({ topic }) => escapeText(topic, escaping) }
      : text(storeParam)
  const name: Part = {
    kind: 'object',
    isClock: config.timedAppend && config.timestampSource === 'wallclock',
    write: (start, _end, lane) => {
      if (!config.timedAppend) return uuidOf(start, lane)
      const ms = config.timestampSource === 'record' ? start.timestampMs : start.nowMs
      return `${minutes.text(ms)}-${escapeText(lane.lane, { strict: false })}-${start.position}`
    },
  }
  const end: Part = {
    kind: 'object',
    tellsSibling: true,
    write: (_start, { sibling }) => `${sibling === undefined ? '' : `.${sibling}`}.txt`,
  }
  const day = timePart({ clock: { source: config.timestampSource }, format, name: 'date' })
  return {
    parts: [folder, text('/'), day, text('/'), name, end],
    fields: [],
    isUnique: false,
    tellsTopic: storeParam === undefined || !config.timedAppend,
  }
}
