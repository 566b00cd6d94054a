import { styleText } from 'node:util';

/** A stream of lines with one live line below them on a terminal. */
export interface Terminal {
  /** Whether people read it, not a program. */
  readonly isTerminal: boolean;
  print(text: string): void;
  /**
   * Shows text on the live line. Without a terminal, prints it as a line every 10 seconds.
   * @param text receives the number of available columns
   */
  live(text: (columns: number) => string): void;
  bold(text: string): string;
  dim(text: string): string;
}

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001b[K';
/** Fallback for terminals of unknown width. */
const DEFAULT_COLUMNS = 80;

/** Stream with a visible live line. */
let liveOn: NodeJS.WriteStream | undefined;

/** Clears the live line before other output. */
export function endLiveLine(): void {
  liveOn?.write(CLEAR_LINE);
  liveOn = undefined;
}

/**
 * Creates a terminal on a stream.
 * @param nowMs clock that limits the rate of the live line
 */
export function createTerminal(stream: NodeJS.WriteStream, nowMs: () => number): Terminal {
  const isTerminal = stream.isTTY && process.env['TERM'] !== 'dumb';
  let shownMs = nowMs();
  // See https://no-color.org: an empty value has no effect.
  const hasColor = isTerminal && (process.env['NO_COLOR'] ?? '') === '';
  const styled = (style: 'bold' | 'dim', text: string): string =>
    hasColor ? styleText(style, text, { validateStream: false }) : text;
  return {
    isTerminal,
    print(text) {
      stream.write(`${liveOn === stream ? CLEAR_LINE : ''}${text}\n`);
      liveOn = undefined;
    },
    live(text) {
      if (nowMs() - shownMs < (isTerminal ? LIVE_EVERY_MS : PLAIN_EVERY_MS)) return;
      shownMs = nowMs();
      // The last column stays free: some terminals wrap after it.
      const columns = (stream.columns || DEFAULT_COLUMNS) - 1;
      if (isTerminal) stream.write(`${CLEAR_LINE}${truncate(text(columns), columns)}`);
      else stream.write(`${text(Infinity)}\n`);
      if (isTerminal) liveOn = stream;
    },
    bold: (text) => styled('bold', text),
    dim: (text) => styled('dim', text),
  };
}

function truncate(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}

/** Joins as many leading parts as fit into `columns`; no part is truncated. */
export function joinFitting(parts: readonly string[], columns: number): string {
  let text = parts[0] ?? '';
  for (const part of parts.slice(1)) {
    if (text.length + SEPARATOR.length + part.length > columns) return text;
    text += SEPARATOR + part;
  }
  return text;
}

const SEPARATOR = '  ';
