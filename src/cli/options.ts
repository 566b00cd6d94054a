import { DEVICES } from '../engines/device.js';
import { KERNEL_CHOICES } from '../engines/kernel-choice.js';
import { quoted, userError } from '../core/errors.js';
import type { PerField } from '../prepare/fields.js';
import { LOG_LEVELS, type LogLevel } from './output.js';

// The options that commands share, and the kinds of numbers that they take.

/** A `--set` that may be given many times; yargs gives one text or a list of them. */
export const setOption = {
  type: 'string',
  requiresArg: true,
  describe: 'Override a config key, as in training.epochs=5 (repeatable)',
  coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
} as const;
/** Files of rows: one path, or several where it is given several times. */
export function filesOption(describe: string) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe}: a file, a directory, or a quoted glob (repeatable)`,
    coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
  } as const;
}
/** Where to compute. */
export const deviceOption = {
  group: 'Compute:',
  choices: DEVICES,
  default: 'auto',
  describe: 'Device to compute on',
} as const;
/** How many workers; undefined for one a core. */
export const threadsOption = {
  group: 'Compute:',
  type: 'string',
  requiresArg: true,
  default: 'auto',
  describe: 'CPU worker threads: a number, or auto for one per core; results are identical',
  coerce: (text: string): number | undefined => {
    if (text === 'auto') return undefined;
    const number = /^\d{1,3}$/.test(text) ? Number(text) : NaN;
    if (!(number >= 1 && number <= 64))
      throw userError('usage', {
        where: '--threads',
        message: `expected auto or a number from 1 to 64, found ${quoted(text)}`,
      });
    return number;
  },
} as const;
/** Which kernels, on a CPU; main.ts tells the engines. */
export const kernelsOption = {
  group: 'Compute:',
  choices: KERNEL_CHOICES,
  describe: 'CPU kernels: native (compiled on first use) or wasm; results are identical; default: auto',
} as const;
/** Whether data is trusted to be what it was where nothing says that it was touched. */
export const verifyDataOption = {
  type: 'boolean',
  default: false,
  describe: 'Verify cached rows against the file contents, even if size, times and inode match',
} as const;
/** Whether predictions are wanted as the model makes them. */
export const rawOption = { type: 'boolean', default: false, describe: 'Use uncalibrated predictions' } as const;
/** How much a command tells people; of --quiet and --log-level one may be given. */
export const quietOption = {
  group: 'Output:',
  type: 'boolean',
  describe: 'Print warnings and errors only (--log-level warn)',
  conflicts: 'log-level',
} as const;
export const logLevelOption = {
  group: 'Output:',
  choices: LOG_LEVELS,
  requiresArg: true,
  describe: 'Verbosity: error, warn or info (progress)',
} as const;
/** What the two come to. */
export function getLogLevel({
  quiet,
  logLevel,
}: {
  readonly quiet?: boolean | undefined;
  readonly logLevel?: LogLevel | undefined;
}): LogLevel {
  return logLevel ?? (quiet === true ? 'warn' : 'info');
}
/** For programs that read what a command found. */
export const jsonOption = {
  group: 'Output:',
  type: 'boolean',
  default: false,
  describe: 'Print one JSON object on stdout and everything else on stderr',
} as const;

/** What `mtl data` looks at. */
export const dataPath = {
  type: 'string',
  demandOption: true,
  describe: 'Config, data file or directory, cache, or directory of shards',
} as const;

/** Defines an integer option; undefined if absent. */
export function optionalInt(name: string, describe: string, largest = 4_294_967_295, smallest = 1) {
  return {
    requiresArg: true,
    describe: `${describe} [int]`,
    coerce: (text: string): number => {
      const number = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
      if (!(number >= smallest && number <= largest)) {
        throw userError('usage', {
          where: name,
          message: `expected an integer from ${smallest} to ${largest} (${describe}), found ${quoted(text)}`,
        });
      }
      return number;
    },
  } as const;
}

/** Defines an integer option with a default. */
export function intOption(name: string, value: number, describe: string, largest?: number, smallest?: number) {
  return {
    ...optionalInt(name, describe, largest, smallest),
    default: String(value),
    defaultDescription: String(value),
  } as const;
}

/** Defines an integer option with exceptions per field, as in `10,205=20`. */
export function perField(name: string, value: number, describe: string) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe} (${value}); a number, with exceptions per field as in ${value},205=20`,
    coerce: (text: string): PerField => {
      const byField: Record<string, number> = {};
      let rest = value;
      for (const part of text.split(',')) {
        const [, field, number] = /^(?:([\d_]+)=)?(\d{1,9})$/.exec(part) ?? [];
        if (number === undefined || Number(number) < 1)
          throw userError('usage', {
            where: name,
            message: `expected a number from 1 on, or numbers like 10,205=20 (${describe}), found ${quoted(text)}`,
          });
        if (field === undefined) rest = Number(number);
        else byField[field] = Number(number);
      }
      return { rest, byField };
    },
  } as const;
}

/** Defines a finite number option; undefined if absent. */
export function optionalNumber(name: string, describe: string) {
  return {
    requiresArg: true,
    describe: `${describe} [number]`,
    coerce: (text: string): number => {
      const number = text.trim() === '' ? NaN : Number(text);
      if (!Number.isFinite(number))
        throw userError('usage', { where: name, message: `expected a number (${describe}), found ${quoted(text)}` });
      return number;
    },
  } as const;
}

/** Defines a fraction option in [0, 1) with a default. */
export function fractionOption(name: string, value: number, describe: string) {
  return {
    ...optionalFraction(name, describe),
    default: String(value),
    defaultDescription: String(value),
    coerce: (text: string): number => (/^0*\.?0+$/.test(text) ? 0 : optionalFraction(name, describe).coerce(text)),
  } as const;
}

/** Defines a fraction option in (0, 1); undefined if absent. */
export function optionalFraction(name: string, describe: string) {
  return {
    requiresArg: true,
    describe: `${describe} [number]`,
    coerce: (text: string): number => {
      const number = text.trim() === '' ? NaN : Number(text);
      if (!(number > 0 && number < 1))
        throw userError('usage', {
          where: name,
          message: `expected a number between 0 and 1 (${describe}), found ${quoted(text)}`,
        });
      return number;
    },
  } as const;
}
