import type { MessageBatch } from '../batch/batch.ts'
import type { ReplayOptions } from './job.ts'
import { isNoRemap, remapHeaders } from './remap.ts'

/** Whether messages go out as they are. */
export const keepsMessages = ({ keys, headers, timestamps, headerRemap = {}, function: file }: ReplayOptions): boolean =>
  keys === 'keep' && headers === 'keep' && timestamps === 'original' && isNoRemap(headerRemap) && file === undefined

/** The batch as the options want it: without keys, without headers or with others, with another time. It shares everything else. */
export function shapeBatch(batch: MessageBatch, options: ReplayOptions, nowMs: number): MessageBatch {
  const { count } = batch
  if (keepsMessages(options)) return batch
  const none = new Int32Array(count).fill(-1)
  const noHeaders = new Int32Array(0)
  const shaped = {
    ...batch,
    ...(options.keys === 'drop' ? { keyStart: none, keyEnd: none } : {}),
    ...(options.timestamps === 'now' ? { timestamps: new Float64Array(count).fill(nowMs) } : {}),
    ...(options.headers === 'drop'
      ? {
          headerFrom: new Int32Array(count + 1),
          headerNameStart: noHeaders,
          headerNameEnd: noHeaders,
          headerValueStart: noHeaders,
          headerValueEnd: noHeaders,
        }
      : {}),
  }
  return options.headerRemap === undefined ? shaped : remapHeaders(shaped, options.headerRemap)
}
