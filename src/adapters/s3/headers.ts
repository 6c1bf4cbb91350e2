/** A command of the SDK, as far as headers can be added to what it sends. */
interface Command {
  readonly middlewareStack: {
    add(
      // oxlint-disable-next-line typescript/no-explicit-any -- the SDK's own type of a middleware names the whole of a command
      middleware: (next: (args: any) => any) => (args: any) => any,
      options: { readonly step: 'build'; readonly name: string },
    ): void
  }
}

/** The command, which sends these headers too. They are set before it is signed, so that the signature covers them. */
export function withHeaders<C extends Command>(command: C, headers: Readonly<Record<string, string>>): C {
  command.middlewareStack.add(
    (next) => (args: { readonly request: { readonly headers: Record<string, string> } }) => {
      Object.assign(args.request.headers, headers)
      return next(args)
    },
    { step: 'build', name: 'millpondHeaders' },
  )
  return command
}
