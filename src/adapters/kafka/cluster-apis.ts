import type * as Kafka from '@platformatic/kafka'
import type { Protocol } from './protocol.ts'

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

export const metadataVersions = (p: Protocol) =>
  versionsOf<[string[] | null, boolean, boolean], Kafka.metadataV12.MetadataResponse>(
    p.metadataV12.api,
    p.metadataV11.api,
    p.metadataV10.api,
    p.metadataV9.api,
    p.metadataV8.api,
    p.metadataV7.api,
    p.metadataV5.api,
  )

export const findCoordinatorVersions = (p: Protocol) =>
  versionsOf<[number, string[]], Kafka.findCoordinatorV6.FindCoordinatorResponse>(
    p.findCoordinatorV6.api,
    p.findCoordinatorV5.api,
    p.findCoordinatorV4.api,
    p.findCoordinatorV3.api,
    p.findCoordinatorV2.api,
    p.findCoordinatorV1.api,
  )
