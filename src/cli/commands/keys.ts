import { type Command, Option } from 'commander'
import { MillpondError } from '../../errors.ts'
import { type Cli, defineCommand } from '../command.ts'

interface NewOptions {
  readonly name: string
}

/** `millpond keys`: new. */
export function keysCommand(cli: Cli): Command {
  return defineCommand('keys', {
    summary: 'make keys for callers of the HTTP interface',
    description: 'Keys of http.keys are kept as hashes: who reads the configuration cannot call with them.',
    examples: [{ run: 'millpond keys new --name shop', does: 'a new key, and the lines of the configuration for it' }],
  }).addCommand(newCommand(cli))
}

function newCommand(cli: Cli): Command {
  return defineCommand('new', {
    summary: 'make a new random key',
    description: `Prints a new key, once, and the lines of millpond.yaml that let it in. The key itself is kept nowhere: give it to the caller now.

Several keys may have one name. To replace one: add the new one, restart, give it to the caller, remove the old one (or give it a
time at which it expires), restart.`,
    examples: [
      { run: 'millpond keys new --name shop', does: 'a key that may put messages' },
      { run: 'millpond keys new --name shop --json', does: 'as JSON' },
    ],
  })
    .addOption(new Option('--name <name>', 'how the audit log calls the caller').default('caller'))
    .action(async ({ name }: NewOptions) => {
      if (!/^[\w.@-]{1,64}$/u.test(name)) {
        throw new MillpondError('USAGE', '--name must be 1 to 64 letters, digits or any of . _ @ -')
      }
      const { newKey } = await import('../../api/auth/keys.ts')
      const { key, sha256 } = newKey()
      const entry = { name, key: `sha256:${sha256}`, scopes: [{ scope: 'write', topics: ['*'] }] }
      if (cli.json) return cli.printJson({ key, config: { http: { keys: [entry] } } })
      await cli.print(`key, shown this once: ${key}`)
      await cli.print(`
# for millpond.yaml; scopes: write, read, replay, admin
http:
  keys:
    - name: ${name}
      key: ${entry.key}
      scopes:
        - { scope: write, topics: ['*'] }`)
    })
}
