/** Text of PostgreSQL is UTF-8 without NUL; so these are written as JSON would, and so is what would look like it. */
// eslint-disable-next-line no-control-regex
const SPECIAL = /\\|\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g

/** Any text of JavaScript as PostgreSQL can hold it; names without a backslash stay as they are. */
export const toPostgresText = (text: string): string =>
  text.replaceAll(SPECIAL, (unit) => (unit === '\\' ? '\\\\' : `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`))

/** The text that `toPostgresText` was given. */
export const fromPostgresText = (text: string): string =>
  text.includes('\\')
    ? text.replaceAll(/\\(?:\\|u([0-9a-f]{4}))/gu, (_, unit?: string) =>
        unit === undefined ? '\\' : String.fromCharCode(parseInt(unit, 16)),
      )
    : text
