import { planAiven } from './aiven.ts'
import { planAzurePersistor } from './azure-persistor.ts'
import { planConfluent } from './confluent.ts'
import { planDataphos } from './dataphos.ts'
import { planFirehose } from './firehose.ts'
import { planHive } from './hive.ts'
import { clockTextOf } from './clock-text.ts'
import { openLaneLayout } from './lane-layout.ts'
import type { Layout } from './layout.ts'
import type { LayoutConfig } from './layout-config.ts'
import { text } from './parts.ts'
import { pathSegment } from './path-segment.ts'
import { type LayoutPlan, layoutInvalid } from './plan.ts'
import { planTemplate } from './template.ts'
import { segmentFault } from '../store/key.ts'

/**
 * The layout that the configuration names.
 * @throws MillpondError `CONFIG_INVALID`; `details.key` is the key within the section `layout`, `details.reason` what is wrong.
 */
export function createLayout(config: LayoutConfig): Layout {
  const { parts, nullParts, fields, usesSchemas = false, isUnique } = planLayout(config)
  const { nullValues, graceMs } = config
  const lateAfterMs = config.late === 'current' ? graceMs : undefined
  const isWhole = nullValues === 'write' && nullParts === undefined && parts.every(({ kind }) => kind !== 'term')
  const options = {
    parts,
    nullValues,
    ...(nullParts === undefined ? {} : { nullParts }),
    ...(lateAfterMs === undefined ? {} : { lateAfterMs }),
  }
  return {
    name: config.type,
    isUnique,
    tellsCodec: config.type === 'confluent',
    isWhole,
    fields,
    usesSchemas,
    // What is late hangs on the messages before it: on where a commit begins, as what the clock says does.
    ...(lateAfterMs === undefined ? {} : { clockText: () => '' }),
    ...clockTextOf(parts),
    openLane: (lane) => openLaneLayout(lane, options),
  }
}

/** Whether keys of different topics are different. @throws MillpondError `CONFIG_INVALID`. */
export const tellsTopics = (config: LayoutConfig): boolean => {
  const { isUnique, tellsTopic } = planLayout(config)
  return isUnique || tellsTopic
}

function planLayout(config: LayoutConfig): LayoutPlan {
  const plan = presets[config.type](config)
  for (const parts of [plan.parts, plan.nullParts ?? []]) {
    // What is written anew for each lane and message stands for a letter here; it is checked when it is there.
    const sample = parts.map((part) => (part.kind === 'text' ? part.text : 'x')).join('')
    const fault =
      sample === ''
        ? undefined
        : sample
            .split('/')
            .map(segmentFault)
            .find((one) => one !== undefined)
    if (fault !== undefined)
      throw layoutInvalid('type', `keys of the form ${JSON.stringify(sample)} are none: ${fault.replace('has', 'there is')}`)
    if (sample.startsWith('_millpond/')) throw layoutInvalid('type', 'its keys would lie in _millpond/, which holds the commits')
  }
  return plan
}

const presets: Readonly<Record<LayoutConfig['type'], (config: LayoutConfig) => LayoutPlan>> = {
  millpond: planMillpond,
  confluent: ({ confluent, strict }) => planConfluent(confluent, strict),
  aiven: ({ aiven, strict }) => planAiven(aiven, strict),
  dataphos: ({ dataphos, strict }) => planDataphos(dataphos, strict),
  firehose: ({ firehose, strict }) => planFirehose(firehose, strict),
  hive: ({ hive, strict }) => planHive(hive, strict),
  'azure-persistor': ({ azurePersistor, strict }) => planAzurePersistor(azurePersistor, strict),
  template: ({ template, strict }) => planTemplate(template, strict),
}

/** `<topic>/<lane>/<first position, 16 digits>-<writer>.<extension>`: what `segmentKey` gives. */
function planMillpond(): LayoutPlan {
  return {
    parts: [
      { kind: 'lane', write: ({ folder, topic, lane }) => folder ?? `${pathSegment(topic)}/${pathSegment(lane)}` },
      text('/'),
      {
        kind: 'object',
        tellsSibling: true,
        write: ({ position, writer }, { extension, sibling }) =>
          `${String(position).padStart(16, '0')}-${pathSegment(writer)}${sibling === undefined ? '' : `.${sibling}`}.${extension}`,
      },
    ],
    fields: [],
    isUnique: true,
    tellsTopic: true,
  }
}
