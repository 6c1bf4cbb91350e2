import { destination, type Logger, pino, stdTimeFunctions } from 'pino'
import type { LogLevel } from '../config/config.ts'

/** A log of JSON lines on stderr. What could hold a secret is taken out, wherever it stands. */
export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['*.token', '*.authorization', '*.headers', 'token', 'authorization', 'headers'], censor: '[secret]' },
    },
    destination({ dest: 2, sync: true }),
  )
}
