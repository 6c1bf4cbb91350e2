import { formatBytes, formatCount, formatDuration, formatMessages } from './format.ts'

/** How far a piece of work is. */
export interface ProgressState {
  /** Messages done. */
  readonly count: number
  /** Bytes done, where the work knows them. */
  readonly bytes?: number
  /** Between 0 and 1, where the end is known. */
  readonly fraction?: number
  /** Words at the end of the line. */
  readonly note?: string
}

export interface ProgressOptions {
  /** What goes on: `archiving`. */
  readonly label: string
  /** Asked for each time that the line is drawn. */
  readonly state: () => ProgressState
}

/** A line on a terminal that renews itself until it is disposed, and then is gone. */
export interface Progress extends Disposable {
  /** Writes a line for people above the progress. */
  note(line: string): void
}

const REDRAW_MS = 250
/** Where a terminal does not say how wide it is. */
const STANDARD_COLUMNS = 80
const CLEAR_LINE = '\r\u001B[K'

/** The text of a progress line after `elapsedMs`, at most `columns` wide. */
export function progressLine(label: string, state: ProgressState, elapsedMs: number, columns: number): string {
  const seconds = Math.max(elapsedMs, 1) / 1000
  const parts = [formatMessages(state.count), `${formatCount(Math.round(state.count / seconds))}/s`]
  if (state.bytes !== undefined) parts.push(formatBytes(state.bytes))
  if (state.fraction !== undefined && state.fraction > 0) {
    const leftMs = (elapsedMs / state.fraction) * (1 - state.fraction)
    parts.push(`${Math.floor(state.fraction * 100)} %`, `${formatDuration(leftMs)} left`)
  }
  if (state.note !== undefined) parts.push(state.note)
  return `${label}  ${parts.join('  ')}`.slice(0, Math.max(0, columns - 1))
}

/** Draws the progress on a terminal now and every quarter of a second. */
export function startProgress(terminal: NodeJS.WriteStream, options: ProgressOptions): Progress {
  const startedMs = performance.now()
  const draw = (): void => {
    terminal.write(
      CLEAR_LINE +
        progressLine(options.label, options.state(), performance.now() - startedMs, terminal.columns || STANDARD_COLUMNS),
    )
  }
  const timer = setInterval(draw, REDRAW_MS)
  timer.unref()
  return {
    note(line) {
      terminal.write(`${CLEAR_LINE}${line}\n`)
      draw()
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      terminal.write(CLEAR_LINE)
    },
  }
}

/** Progress where there is no terminal: it shows nothing, its notes are plain lines. */
export function silentProgress(note: (line: string) => void): Progress {
  return { note, [Symbol.dispose]() {} }
}
