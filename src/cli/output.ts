import { monotonicMs } from '../system/clock.js';
import { printable } from '../core/errors.js';
import { createTerminal, type Terminal } from './terminal.js';

/** Output of a command: text on the screen for people, a result for programs. */
export interface Output {
  readonly screen: Terminal;
  /** Prints a warning, once per text: files in one directory often cause the same warning. */
  warn(text: string): void;
  /** Prints the JSON object if `--json` was given: the last and only line of stdout. */
  result(value: unknown): void;
}

/** Log levels, from fatal errors only to progress. */
export const LOG_LEVELS = ['error', 'warn', 'info'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Creates the output of a command. With `--json`, stdout holds the result alone and text goes to stderr. */
export function createOutput(isJson: boolean, level: LogLevel = 'info'): Output {
  const screen = createTerminal(isJson ? process.stderr : process.stdout, monotonicMs);
  const printed = new Set<string>();
  return {
    screen: level === 'info' ? screen : { ...screen, print: () => undefined, live: () => undefined },
    warn(text) {
      if (level !== 'error' && !printed.has(text)) screen.print(printable(text));
      printed.add(text);
    },
    result(value) {
      if (isJson) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}
