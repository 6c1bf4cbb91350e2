import type { MessageBatch } from '../batch/batch.ts'
import { MillpondError } from '../errors.ts'
import { isCodec, parseContainerHeader, parseStoredBlock, splitAvroFile } from './avro-container.ts'
import type { StoredCodec } from './block.ts'
import { decompress } from './codec.ts'
import { readPersistorRecords } from './dataphos-records.ts'
import { onlyRead } from './only-read.ts'
import type { BlockEntry } from './segment.ts'
import type { SegmentFormat } from './segment-format.ts'

/**
 * Objects of Dataphos Persistor: container files of `persistorrecord{ID, Data, Metadata}`. What they keep becomes id, value and headers; a key and a
 * time were never stored. Nor were positions: those of a block are counted on from its first, and all its messages have the block's time.
 */
export const dataphosFormat: SegmentFormat = {
  ...onlyRead('dataphos'),
  extension: () => 'avro',
  codecs: ['zstandard', 'deflate', 'snappy', 'null'],
  // All that was ever stored of a message can be read again.
  keepsAll: true,
  mixesCodecs: false,
  readHeader: readPersistorHeader,
  async readBlock(stored, codec, header, block) {
    if (block === undefined) throw new MillpondError('INTERNAL', 'a block of Dataphos does not say its positions itself')
    return readBlock(stored, codec, block, header?.sync)
  },
  openBlock: () => Promise.resolve(undefined),
  async split(object) {
    const header = readPersistorHeader(object)
    if (header === undefined) throw new MillpondError('SEGMENT_CORRUPT', 'the container file ends within its header')
    return splitAvroFile(object, header.bytes)
  },
}

async function readBlock(stored: Uint8Array, codec: StoredCodec, block: BlockPlace, sync?: Uint8Array): Promise<MessageBatch> {
  if (!isCodec(codec)) throw new MillpondError('FORMAT_UNSUPPORTED', `the format dataphos has no codec ${codec}`)
  const { count, payload } = parseStoredBlock(stored, sync)
  return readPersistorRecords(await decompress(codec, payload), count, block)
}

type BlockPlace = Pick<BlockEntry, 'firstPosition' | 'minTimestamp'>

/** @throws MillpondError `SEGMENT_CORRUPT`; `FORMAT_UNSUPPORTED` for container files of another schema. */
function readPersistorHeader(bytes: Uint8Array): ReturnType<typeof parseContainerHeader> {
  const header = parseContainerHeader(bytes)
  if (header !== undefined && !isPersistorSchema(header.schema))
    throw new MillpondError('FORMAT_UNSUPPORTED', 'the schema of the container file is not that of Dataphos')
  return header
}

const FIELDS = '[["ID","string"],["Data","bytes"],["Metadata",["map","string"]]]'

/** Names of records, documentation and defaults may differ, names and types of fields may not. */
function isPersistorSchema(text: string): boolean {
  try {
    const { fields } = JSON.parse(text) as { readonly fields?: readonly { readonly name: unknown; readonly type: unknown }[] }
    return JSON.stringify(fields?.map(({ name, type }) => [name, plainType(type)])) === FIELDS
  } catch {
    return false
  }
}

function plainType(type: unknown): unknown {
  if (typeof type !== 'object' || type === null) return type
  const { type: name, values } = type as { readonly type?: unknown; readonly values?: unknown }
  return name === 'map' ? [name, plainType(values)] : plainType(name)
}
