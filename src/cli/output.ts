import { monotonicMs } from '../clock.js';
import { createScreen, type Screen } from './screen.js';

/** What a command prints with: people read the screen, programs the result. */
export interface Output {
  readonly screen: Screen;
  /** Prints the JSON object if it was asked for: the last line of stdout, and the only one. */
  result(value: unknown): void;
}

/** With `--json`, stdout holds the result alone and people are served on stderr. */
export function createOutput(isJson: boolean): Output {
  return {
    screen: createScreen(isJson ? process.stderr : process.stdout, monotonicMs),
    result(value) {
      if (isJson) process.stdout.write(`${JSON.stringify(value)}\n`);
    },
  };
}
