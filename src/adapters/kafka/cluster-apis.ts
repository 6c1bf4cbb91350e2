import type * as Kafka from '@platformatic/kafka'
import { protocol } from './protocol.ts'

/** One version of a request. */
export interface ApiVersion<Args extends readonly unknown[], Answer> {
  readonly key: number
  readonly version: number
  async(connection: Kafka.Connection, ...args: Args): Promise<Answer>
}

/** The versions of a request that we speak, newest first. All take the newest one's arguments and leave out what they do not know. */
export type Versions<Args extends readonly unknown[], Answer> = readonly ApiVersion<Args, Answer>[]

/**
 * Versions of one request, the newest first. The types are the newest one's: older answers may lack fields, and who reads a field
 * that came later has to allow for that.
 */
export function versionsOf<Args extends readonly unknown[], Answer>(
  newest: ApiVersion<Args, Answer>,
  ...older: readonly { readonly key: number; readonly version: number }[]
): Versions<Args, Answer> {
  return [newest, ...(older as Versions<Args, Answer>)]
}

/** Arguments of a request that the library builds. */
export type Args<Create extends (...args: never[]) => unknown> = Parameters<Create>

export const metadataVersions = versionsOf<[string[] | null, boolean, boolean], Kafka.metadataV12.MetadataResponse>(
  protocol.metadataV12.api,
  protocol.metadataV11.api,
  protocol.metadataV10.api,
  protocol.metadataV9.api,
  protocol.metadataV8.api,
  protocol.metadataV7.api,
  protocol.metadataV5.api,
)

export const findCoordinatorVersions = versionsOf<[number, string[]], Kafka.findCoordinatorV6.FindCoordinatorResponse>(
  protocol.findCoordinatorV6.api,
  protocol.findCoordinatorV5.api,
  protocol.findCoordinatorV4.api,
  protocol.findCoordinatorV3.api,
  protocol.findCoordinatorV2.api,
  protocol.findCoordinatorV1.api,
)
