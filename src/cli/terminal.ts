import { styleText } from 'node:util';

/** Where people read: lines, and on a terminal one live line below them. */
export interface Terminal {
  print(text: string): void;
  /**
   * Shows a text on the live line, or as a line of its own now and then where there is no terminal.
   * @param text given the characters that there is room for
   */
  live(text: (columns: number) => string): void;
  bold(text: string): string;
  dim(text: string): string;
}

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001b[K';
/** Of a terminal that does not say how wide it is. */
const USUAL_COLUMNS = 80;

/** The terminal whose live line is shown. */
let liveOn: NodeJS.WriteStream | undefined;

/** Takes the live line away, before what is told beside a screen. */
export function endLiveLine(): void {
  liveOn?.write(CLEAR_LINE);
  liveOn = undefined;
}

/**
 * A screen on a stream.
 * @param nowMs a clock for the pace of the live line
 */
export function createTerminal(stream: NodeJS.WriteStream, nowMs: () => number): Terminal {
  const isTerminal = stream.isTTY && process.env['TERM'] !== 'dumb';
  let shownMs = nowMs();
  // See https://no-color.org: an empty one asks for nothing.
  const hasColor = isTerminal && (process.env['NO_COLOR'] ?? '') === '';
  const styled = (style: 'bold' | 'dim', text: string): string =>
    hasColor ? styleText(style, text, { validateStream: false }) : text;
  return {
    print(text) {
      stream.write(`${liveOn === stream ? CLEAR_LINE : ''}${text}\n`);
      liveOn = undefined;
    },
    live(text) {
      if (nowMs() - shownMs < (isTerminal ? LIVE_EVERY_MS : PLAIN_EVERY_MS)) return;
      shownMs = nowMs();
      // The last column stays free: some terminals begin a new line behind it.
      const columns = (stream.columns || USUAL_COLUMNS) - 1;
      if (isTerminal) stream.write(`${CLEAR_LINE}${shortened(text(columns), columns)}`);
      else stream.write(`${text(Infinity)}\n`);
      if (isTerminal) liveOn = stream;
    },
    bold: (text) => styled('bold', text),
    dim: (text) => styled('dim', text),
  };
}

function shortened(text: string, columns: number): string {
  return text.length <= columns ? text : `${text.slice(0, Math.max(0, columns - 1))}…`;
}

/** As many of some parts as there is room for, from the first on: each is there in whole or not at all. */
export function fitting(parts: readonly string[], columns: number): string {
  let text = parts[0] ?? '';
  for (const part of parts.slice(1)) {
    if (text.length + SPACE.length + part.length > columns) return text;
    text += SPACE + part;
  }
  return text;
}

const SPACE = '  ';
