import { monotonicMs } from '../system/clock.js';
import { printable } from '../core/errors.js';
import { createTerminal, type Terminal } from './terminal.js';

/** What a command prints with: people read the screen, programs the result. */
export interface Output {
  readonly screen: Terminal;
  /** Prints what people should know, once: files in one folder have the same to say about it. */
  notice(text: string): void;
  /** Prints the JSON object if it was asked for: the last line of stdout, and the only one. */
  result(value: unknown): void;
}

/** How much people are told, the least first: what ends the command, what they should know, and how it goes. */
export const LOG_LEVELS = ['error', 'warn', 'info'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** With `--json`, stdout holds the result alone and people are served on stderr. */
export function createOutput(isJson: boolean, level: LogLevel = 'info'): Output {
  const screen = createTerminal(isJson ? process.stderr : process.stdout, monotonicMs);
  const told = new Set<string>();
  return {
    screen: level === 'info' ? screen : { ...screen, print: () => undefined, live: () => undefined },
    notice(text) {
      if (level !== 'error' && !told.has(text)) screen.print(printable(text));
      told.add(text);
    },
    result(value) {
      if (isJson) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}
