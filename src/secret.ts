import { inspect } from 'node:util'

/** Text that nothing shows by accident: as a string, as JSON and in logs it is `[secret]`. */
export interface Secret {
  /** The text itself; only what sends or compares it asks for it. */
  reveal(): string
  /** Gives `[secret]`. */
  toString(): string
}

const SHOWN = '[secret]'

/** Hides the text. */
export function createSecret(text: string): Secret {
  const shown = (): string => SHOWN
  return Object.freeze({ reveal: () => text, toString: shown, toJSON: shown, [inspect.custom]: shown })
}
