import { Argument, type Command } from 'commander'
import { type Cli, defineCommand } from '../command.ts'

/** One place where words can stand: after `millpond`, after `millpond jobs`, and so on. */
interface CompletionNode {
  /** The words before, without `millpond`. */
  readonly path: string
  readonly words: readonly { readonly word: string; readonly summary: string }[]
}

const SHELLS = ['bash', 'zsh', 'fish'] as const
type Shell = (typeof SHELLS)[number]

/** Options of the program itself, which stand everywhere. */
const COMMON = [
  { word: '--config', summary: 'configuration file' },
  { word: '--dir', summary: 'folder that relative paths count from' },
  { word: '--json', summary: 'JSON on stdout' },
  { word: '--help', summary: 'show help' },
]

/** `millpond completion`: prints a script for a shell; `loadProgram` gives the program with all of its commands. */
export function completionCommand(cli: Cli, loadProgram: () => Promise<Command>): Command {
  return defineCommand('completion', {
    summary: 'print what makes a shell complete commands and options',
    description:
      'Prints a script that makes a shell complete the commands and options of millpond. It is the same at every call.',
    examples: [
      { run: 'source <(millpond completion bash)', does: 'for this shell; in ~/.bashrc for every one' },
      { run: 'millpond completion zsh > "${fpath[1]}/_millpond"', does: 'for zsh' },
      { run: 'millpond completion fish > ~/.config/fish/completions/millpond.fish', does: 'for fish' },
    ],
  })
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      const nodes = completionNodes(await loadProgram())
      await cli.write(scripts[shell](nodes))
    })
}

function completionNodes(program: Command, path: readonly string[] = []): CompletionNode[] {
  const words = [
    ...program.commands.map((command) => ({ word: command.name(), summary: command.summary() })),
    ...program.options.flatMap(({ long, description }) => (long === undefined ? [] : [{ word: long, summary: description }])),
    ...COMMON,
  ]
  const inner = program.commands.flatMap((command) => completionNodes(command, [...path, command.name()]))
  return [{ path: path.join(' '), words }, ...inner]
}

const shellQuote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

const scripts: Readonly<Record<Shell, (nodes: readonly CompletionNode[]) => string>> = { bash, zsh, fish }

function bash(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map(
    ({ path, words }) => `    ${shellQuote(path)}) words=${shellQuote(words.map(({ word }) => word).join(' '))} ;;`,
  )
  return `# Completion of millpond for bash.
_millpond() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -* ]] && continue
    case " ${nodes.map(({ path }) => path.replaceAll(' ', '/')).join(' ')} " in
      *" \${path:+$path/}\${COMP_WORDS[i]} "*) path=\${path:+$path/}\${COMP_WORDS[i]} ;;
    esac
  done
  case \${path//\\// } in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _millpond millpond
`
}

function zsh(nodes: readonly CompletionNode[]): string {
  const describe = (text: string): string => text.replaceAll(':', String.raw`\:`)
  const cases = nodes.map(({ path, words }) => {
    const entries = words.map(({ word, summary }) => `      ${shellQuote(`${word}:${describe(summary)}`)}`)
    return `    ${shellQuote(path)}) entries=(\n${entries.join('\n')}\n    ) ;;`
  })
  return `#compdef millpond
# Completion of millpond for zsh.
_millpond() {
  local step='' word
  local -a entries
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && continue
    case " ${nodes.map(({ path }) => path.replaceAll(' ', '/')).join(' ')} " in
      *" \${step:+$step/}$word "*) step=\${step:+$step/}$word ;;
    esac
  done
  case \${step//\\// } in
${cases.join('\n')}
  esac
  _describe 'millpond' entries || _files
}
compdef _millpond millpond
`
}

function fish(nodes: readonly CompletionNode[]): string {
  const lines = nodes.flatMap(({ path, words }) => {
    const here =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ')
    return words.map(({ word, summary }) => {
      const what = word.startsWith('--') ? `-l ${word.slice(2)}` : `-f -a ${word}`
      return `complete -c millpond -n ${shellQuote(here)} ${what} -d ${shellQuote(summary)}`
    })
  })
  return `# Completion of millpond for fish.\n${lines.join('\n')}\n`
}
