import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { MillpondError } from '../../errors.ts'
import { type Cli, defineCommand } from '../command.ts'

/** `millpond config`: check, show, schema, init. */
export function configCommand(cli: Cli): Command {
  return defineCommand('config', {
    summary: 'check, show or start a configuration',
    description:
      'One file, millpond.yaml, configures everything; without one, everything lies below ./millpond-data.\ndocs/config.md lists every key.',
    examples: [
      { run: 'millpond config init', does: 'writes a millpond.yaml with the usual keys' },
      { run: 'millpond config check', does: 'tells every mistake with its line' },
      { run: 'millpond config show --dir /var/lib/pond', does: 'shows what holds, defaults included' },
    ],
  })
    .addCommand(checkCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(schemaCommand(cli))
    .addCommand(initCommand(cli))
}

function checkCommand(cli: Cli): Command {
  return defineCommand('check', {
    summary: 'check the file and tell every mistake at once',
    description: 'Checks the configuration without opening anything that it names. Exit code 3 where there are mistakes.',
    examples: [{ run: 'millpond config check --config prod.yaml', does: 'checks one file' }],
  }).action(async () => {
    const config = await cli.loadConfig()
    if (cli.json) await cli.printJson({ valid: true, file: config.file ?? null, folder: config.folder })
    else
      await cli.print(
        config.file === undefined ? `no millpond.yaml in ${config.folder}: defaults hold` : `${config.file} is valid`,
      )
  })
}

function showCommand(cli: Cli): Command {
  return defineCommand('show', {
    summary: 'show what holds, defaults included, secrets hidden',
    description: 'Shows the configuration in the form of the file, with every default and without any secret.',
    examples: [{ run: 'millpond config show --json', does: 'as JSON' }],
  }).action(async () => {
    const { config, written } = await cli.loadConfiguration()
    if (cli.json) return cli.printJson({ file: config.file ?? null, folder: config.folder, config: written })
    const { configYaml } = await import('../../config/text.ts')
    await cli.write(`# ${config.file ?? 'defaults alone'}; relative paths count from ${config.folder}\n${configYaml(written)}`)
  })
}

function schemaCommand(cli: Cli): Command {
  return defineCommand('schema', {
    summary: 'print the JSON Schema of the file, for editors',
    description: 'Prints the JSON Schema of millpond.yaml. An editor that knows it completes keys and shows mistakes.',
    examples: [{ run: 'millpond config schema > millpond.schema.json', does: 'keeps it beside the file' }],
  }).action(async () => {
    const { editorSchema } = await import('../../config/json-schema.ts')
    await cli.write(`${JSON.stringify(editorSchema(), undefined, cli.json ? undefined : 2)}\n`)
  })
}

function initCommand(cli: Cli): Command {
  return defineCommand('init', {
    summary: 'write a millpond.yaml to start from',
    description: 'Writes a millpond.yaml with the usual keys at their defaults. A file that is there is left as it is.',
    examples: [{ run: 'millpond config init --dir pond', does: 'writes pond/millpond.yaml' }],
  }).action(async () => {
    const { CONFIG_FILE } = await import('../../config/load.ts')
    const { STARTER } = await import('../../config/text.ts')
    const file = resolve(join(cli.dir ?? '.', CONFIG_FILE))
    try {
      await writeFile(file, STARTER, { flag: 'wx' })
    } catch (error) {
      const reason = error instanceof Error && 'code' in error && error.code === 'EEXIST' ? 'it is there already' : String(error)
      throw new MillpondError('USAGE', `cannot write ${file}: ${reason}`, { cause: error })
    }
    await (cli.json ? cli.printJson({ file }) : cli.print(`wrote ${file}`))
  })
}
