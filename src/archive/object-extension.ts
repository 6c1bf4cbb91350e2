import type { Codec } from '../encode/block.ts'
import type { Layout } from '../layout/layout.ts'

/** What Apache Parquet's Java library calls its codecs in names. Source: `CompressionCodecName` of apache/parquet-java, read 2026-11. */
const PARQUET_CODECS: Readonly<Record<Codec, string>> = {
  zstandard: 'zstd.',
  gzip: 'gz.',
  deflate: 'gz.',
  snappy: 'snappy.',
  null: '',
}

/** The end of a name: of Parquet files, which are compressed within, with their codec where names of the layout tell that too. */
export const objectExtension = (layout: Layout | undefined, extension: string, codec: Codec): string =>
  layout?.tellsCodec === true && extension === 'parquet' ? PARQUET_CODECS[codec] + extension : extension
