import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { errorHelp } from '../src/cli/error-help.ts'
import { editorSchema, type JsonSchema, plainSchema } from '../src/config/json-schema.ts'
import { type ErrorCode, errorTable } from '../src/errors.ts'

/** The documents that are made from the program, by file. A test compares them with what lies in docs/. */
export const documents: Readonly<Record<string, () => string>> = {
  'docs/config.md': configReference,
  'docs/config.schema.json': () => `${JSON.stringify(editorSchema(), undefined, 2)}\n`,
  'docs/errors.md': errorReference,
}

function configReference(): string {
  const { properties = {} } = plainSchema()
  const parts = Object.entries(properties).map(([key, schema]) =>
    schema.properties === undefined
      ? `## ${key}\n${schema.description}\n\n${table([[key, schema]])}`
      : `## ${key}\n${schema.description}\n\n${table(rowsOf(key, schema))}`,
  )
  return `# Configuration
<!-- Made by scripts/generate-docs.ts from src/config/schema.ts. -->
One file, \`millpond.yaml\`, in the current folder or where \`--dir\` or \`--config\` says. Every key has a default, so that an empty file, or
none, is a working configuration. Relative paths count from the folder of the file. \`millpond config init\` writes one to start from,
\`millpond config check\` tells every mistake at once, \`millpond config show\` shows what holds, and \`millpond config schema\` prints the JSON
Schema for editors ([config.schema.json](config.schema.json)).

- **Sizes** are numbers of bytes or text: \`256 MiB\` (powers of 1,024), \`10 MB\` (powers of 1,000).
- **Durations** are numbers of milliseconds or text: \`500ms\`, \`10s\`, \`15m\`, \`1h30m\`, \`7d\`.
- **References** stand in values: \`\${NAME}\` is the environment variable, \`\${NAME:-default}\` has a default, \`\${file:/run/secrets/token}\` is the
  content of a file without the newline at its end, \`$\${\` is a plain \`\${\`. They are resolved after the file is parsed, so that what they
  give is a value and never more keys. What is secret is never shown: not in logs, not in errors, not by \`config show\`.
- **Several processes** may use one folder: the log shares its lanes among archivers, and the archive takes a commit only where none is.

${parts.join('\n\n')}
`
}

type Row = readonly [key: string, schema: JsonSchema]

/** The keys of a section, those of its own sections behind them. */
function rowsOf(path: string, schema: JsonSchema): Row[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, inner]) => rowsOf(`${path}.${key}`, inner))
  if (typeof schema.additionalProperties === 'object') {
    return [[path, schema], ...rowsOf(`${path}.<name>`, schema.additionalProperties)]
  }
  if (schema.items?.properties !== undefined) return [[path, schema], ...rowsOf(`${path}[]`, schema.items)]
  return own.length === 0 ? [[path, schema]] : own
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(
    ([key, schema]) =>
      `| \`${key}\` | ${typeText(schema)} | ${cellText(defaultText(schema))} | ${cellText(schema.description ?? '')} |`,
  )
  return ['| key | value | default | |', '| --- | --- | --- | --- |', ...cells].join('\n')
}

// A bar ends a cell, even within code.
const cellText = (text: string): string => text.replaceAll('|', '\\|')

function typeText(schema: JsonSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${String(word)}\``).join(', ')
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`
  if (schema.type === 'array') return listText(schema)
  if (schema.anyOf !== undefined) return schema.anyOf.some(({ pattern }) => pattern?.includes('days')) ? 'duration' : 'size'
  if (schema.type === 'object') return 'section'
  return schema.type === 'boolean' ? '`true`, `false`' : 'text'
}

function listText({ items }: JsonSchema): string {
  if (items?.enum !== undefined) return `list of ${items.enum.map((word) => `\`${String(word)}\``).join(', ')}`
  return items?.properties === undefined ? 'list of text' : 'list of sections'
}

function defaultText(schema: JsonSchema): string {
  return schema.default === undefined
    ? ''
    : `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``
}

function errorReference(): string {
  const rows = (Object.keys(errorTable) as ErrorCode[]).map((code) => {
    const { httpStatus, exitCode, retryable } = errorTable[code]
    const { means, next } = errorHelp[code]
    const text = next === undefined ? means : `${means} *Next:* ${next}.`
    return `| \`${code}\` | ${httpStatus} | ${exitCode} | ${retryable ? 'yes' : ''} | ${text.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`
  })
  return `# Errors
<!-- Made by scripts/generate-docs.ts from src/errors.ts and src/cli/error-help.ts. -->
Every error has a code. Callers branch on the code, never on the message. The CLI prints \`error: <message> (<code>)\` and the next step on
stderr, with \`--json\` one object \`{"error":{"code","message","details"}}\`, and ends with the exit code; HTTP answers
\`{"error":{"code","message",…}}\` with the status. *Again* says that the same call may succeed later as it is.

Exit codes: 0 done; 1 a defect in Millpond; 2 wrong use or input; 3 configuration or installation; 4 not found; 5 archive, log or index
damaged, or verification failed; 6 store, log or index cannot be used; 7 delivery failed; 8 conflict with another process; 130 stopped by a
signal before the work was complete.

| code | HTTP | exit | again | |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`
}

if (import.meta.main) {
  for (const [file, make] of Object.entries(documents)) {
    const path = new URL(`../${file}`, import.meta.url)
    const text = make()
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
      writeFileSync(path, text)
      console.log(`wrote ${file}`)
    }
  }
}
