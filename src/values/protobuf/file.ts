import type Protobuf from 'protobufjs'
import type Descriptor from 'protobufjs/ext/descriptor.js'

/** What the library reads files with; loaded only where there is one. */
export interface ProtobufLibrary {
  readonly library: typeof Protobuf
  readonly descriptor: typeof Descriptor
}

/** Loads the library. */
export async function loadProtobuf(): Promise<ProtobufLibrary> {
  const { default: library } = await import('protobufjs')
  const { default: descriptor } = await import('protobufjs/ext/descriptor.js')
  return { library, descriptor }
}

/** What a file brought. */
export interface AddedFile {
  /** The names of files that it imports. */
  readonly imports: readonly string[]
  /** Its package; undefined where it has none. */
  readonly package: string | undefined
}

/**
 * Adds a file to those of `root`: text, or as some clients register it a descriptor in base64.
 * @throws Error where it is neither.
 */
export function addFile(loaded: ProtobufLibrary, root: Protobuf.Root, text: string): AddedFile {
  // Every text has a character that base64 has not.
  if (/^[\w+/\s]+={0,2}\s*$/u.test(text)) return addDescriptor(loaded, root, Buffer.from(text, 'base64'))
  const { imports = [], weakImports = [], package: name } = loaded.library.parse(text, root, { keepCase: true })
  return { imports: [...imports, ...weakImports], package: name ?? undefined }
}

function addDescriptor({ library, descriptor }: ProtobufLibrary, root: Protobuf.Root, bytes: Uint8Array): AddedFile {
  const file = descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes)) as FileDescriptor
  const place = file.package === undefined || file.package === '' ? root : root.define(file.package)
  const context = { edition: editionOf(file), keepCase: true }
  for (const message of file.messageType ?? []) place.add(library.Type.fromDescriptor(message, context))
  for (const type of file.enumType ?? []) place.add(library.Enum.fromDescriptor(type, context))
  return { imports: file.dependency ?? [], package: file.package === '' ? undefined : file.package }
}

type FileDescriptor = Descriptor.IFileDescriptorProto & { readonly edition?: number }

function editionOf({ syntax, edition }: FileDescriptor): string {
  if (edition !== undefined && edition >= 1000) return String(edition + 1023)
  return syntax === 'proto3' ? 'proto3' : 'proto2'
}
