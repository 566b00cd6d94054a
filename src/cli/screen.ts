import { styleText } from 'node:util';

/** Where people read: lines, and on a terminal one live line below them. */
export interface Screen {
  print(text: string): void;
  /** Shows `text()` on the live line, or as a line of its own now and then where there is no terminal. */
  live(text: () => string): void;
  bold(text: string): string;
  dim(text: string): string;
}

const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001b[K';

/**
 * A screen on a stream.
 * @param nowMs a clock for the pace of the live line
 */
export function createScreen(stream: NodeJS.WriteStream, nowMs: () => number): Screen {
  const isTerminal = stream.isTTY;
  let shownMs = nowMs();
  let isLive = false;
  const styled = (style: 'bold' | 'dim', text: string): string => (isTerminal && process.env['NO_COLOR'] === undefined ? styleText(style, text) : text);
  return {
    print(text) {
      stream.write(`${isLive ? CLEAR_LINE : ''}${text}\n`);
      isLive = false;
    },
    live(text) {
      if (nowMs() - shownMs < (isTerminal ? LIVE_EVERY_MS : PLAIN_EVERY_MS)) return;
      shownMs = nowMs();
      if (isTerminal) stream.write(`${CLEAR_LINE}${text().slice(0, (stream.columns || 80) - 1)}`);
      else stream.write(`${text()}\n`);
      isLive = isTerminal;
    },
    bold: (text) => styled('bold', text),
    dim: (text) => styled('dim', text),
  };
}
