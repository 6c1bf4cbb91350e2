import type { SchemaType, SubjectVersion } from './values.ts'

/** Types of schemas that a registry holds. */
export type RegisteredType = Exclude<SchemaType, 'none'>

/** That a schema uses another: by this name, which means this version of that subject. */
export interface SchemaReference {
  readonly name: string
  readonly subject: string
  readonly version: number
}

/** A schema as it is registered. */
export interface RegisteredSchema {
  readonly type: RegisteredType
  readonly text: string
  readonly references: readonly SchemaReference[]
  /** The same for the same schema in every registry; undefined where the registry gives none. */
  readonly guid: string | undefined
}

/** A registry of schemas: what values say by an id. Every call throws MillpondError `REGISTRY_UNAVAILABLE` where it does not answer. */
export interface SchemaRegistry extends AsyncDisposable {
  /** Undefined where the registry knows no such id. */
  byId(id: number, signal: AbortSignal): Promise<RegisteredSchema | undefined>
  /** Undefined where the registry knows no such GUID; it is lower-case hex with hyphens. */
  byGuid(guid: string, signal: AbortSignal): Promise<RegisteredSchema | undefined>
  /** The id of a GUID in this registry; undefined where it knows no such GUID. */
  idOf(guid: string, signal: AbortSignal): Promise<number | undefined>
  /** Undefined where the subject has no such version. */
  byVersion(version: SubjectVersion, signal: AbortSignal): Promise<(RegisteredSchema & { readonly id: number }) | undefined>
  /** Where the schema of an id is registered, by subject and version; deleted ones included. */
  versionsOf(id: number, signal: AbortSignal): Promise<SubjectVersion[]>
  /**
   * Registers a schema under a subject, or finds it there; gives its id.
   * @throws MillpondError `REGISTRY_REFUSED` where it is not compatible with those before it, or no schema.
   */
  register(subject: string, schema: Omit<RegisteredSchema, 'guid'>, signal: AbortSignal): Promise<number>
}
