import { DEVICES } from '../engines/device.js';
import { KERNEL_CHOICES } from '../engines/kernel-choice.js';
import { PREDICTION_PRECISIONS } from '../engines/precision.js';
import { TABLE_FORMATS } from '../tables/row-formats.js';
import { quoted, userError } from '../core/errors.js';
import type { PerField } from '../prepare/fields.js';
import { LOG_LEVELS, type LogLevel } from './output.js';

// Options that several commands share, and parsers for their numbers.

/** Declares `--set`, which is repeatable: yargs passes one string or a list. */
export const setOption = {
  type: 'string',
  requiresArg: true,
  describe: 'Override a config key, as in training.epochs=5 (repeatable)',
  coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
} as const;
/** Declares a repeatable option for data files. `fallback` describes the files that are the default. */
export function filesOption(describe: string, fallback?: string) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe}: a file, a directory, or a quoted glob (repeatable)`,
    ...(fallback !== undefined && { defaultDescription: fallback }),
    coerce: (value: string | readonly string[]): readonly string[] => [value].flat(),
  } as const;
}
export const deviceOption = {
  group: 'Compute:',
  choices: DEVICES,
  default: 'auto',
  describe: 'Device to compute on',
} as const;
/** Declares `--threads`; undefined means one per core. */
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
/** Declares `--kernels`; main.ts passes it to the engines through the environment. */
export const kernelsOption = {
  group: 'Compute:',
  choices: KERNEL_CHOICES,
  describe: 'CPU kernels: native (compiled on first use) or wasm; results are identical',
  defaultDescription: 'MTL_KERNELS, else auto',
} as const;
/** Declares `--precision` of predictions. */
export const precisionOption = {
  group: 'Compute:',
  choices: PREDICTION_PRECISIONS,
  default: 'f32',
  describe: 'Precision of matrix products; bf16 is faster on CPUs with AVX-512-BF16',
} as const;
/** Declares `--tables`, the format of embedding tables. */
export const tablesOption = {
  group: 'Compute:',
  choices: TABLE_FORMATS,
  default: 'f32',
  describe: 'Embedding tables in memory, on the CPU: fp16 takes half of f32, int8 about a quarter',
} as const;
export const verifyDataOption = {
  type: 'boolean',
  default: false,
  describe: 'Verify cached rows against the file contents, even if size, times and inode match',
} as const;
export const rawOption = { type: 'boolean', default: false, describe: 'Use uncalibrated predictions' } as const;
export const reportOption = {
  type: 'boolean',
  default: true,
  describe: 'Write report.html at the end; --no-report skips it',
} as const;
/** Declares `--quiet`, which excludes `--log-level`. */
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
/** Resolves `--quiet` and `--log-level` to a log level. */
export function getLogLevel({
  quiet,
  logLevel,
}: {
  readonly quiet?: boolean | undefined;
  readonly logLevel?: LogLevel | undefined;
}): LogLevel {
  return logLevel ?? (quiet === true ? 'warn' : 'info');
}
export const jsonOption = {
  group: 'Output:',
  type: 'boolean',
  default: false,
  describe: 'Print one JSON object on stdout and everything else on stderr',
} as const;

/** Declares the path argument of the `mtl data` commands. */
export const dataPath = {
  type: 'string',
  demandOption: true,
  describe: 'Config, data file or directory, cache, or directory of shards',
} as const;

/**
 * Returns the description of a number option, without its end `; default: X`. The rest is the default description,
 * which starts with the type: formatHelp moves the type before it.
 */
function describeNumber(type: 'int' | 'number', text: string) {
  const [describe, fallback] = text.split('; default: ');
  return { describe, defaultDescription: fallback === undefined ? type : `${type}${TYPE_MARK}${fallback}` };
}

/** Separates type and default in a default description, and has the width of `] [`. */
export const TYPE_MARK = ' = ';

/** Defines an integer option; undefined if absent. */
export function optionalInt(name: string, describe: string, max = 4_294_967_295, min = 1) {
  return {
    requiresArg: true,
    ...describeNumber('int', describe),
    coerce: (text: string): number => {
      const number = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
      if (!(number >= min && number <= max)) {
        throw userError('usage', {
          where: name,
          message: `expected an integer from ${min} to ${max} (${describe}), found ${quoted(text)}`,
        });
      }
      return number;
    },
  } as const;
}

/** Defines an integer option with a default. */
export function intOption(name: string, value: number, describe: string, max?: number, min?: number) {
  return {
    ...optionalInt(name, describe, max, min),
    ...describeNumber('int', `${describe}; default: ${value}`),
    default: String(value),
  } as const;
}

/** Defines an integer option with exceptions per field, as in `10,205=20`. */
export function perField(name: string, value: number, describe: string) {
  return {
    type: 'string',
    requiresArg: true,
    describe: `${describe}; with exceptions per field, as in ${value},205=20`,
    defaultDescription: String(value),
    coerce: (text: string): PerField => {
      const byField: Record<string, number> = {};
      let fallback = value;
      for (const part of text.split(',')) {
        const [, field, number] = /^(?:([\d_]+)=)?(\d{1,9})$/.exec(part) ?? [];
        if (number === undefined || Number(number) < 1)
          throw userError('usage', {
            where: name,
            message: `expected a positive integer, or a list as in 10,205=20 (${describe}), found ${quoted(text)}`,
          });
        if (field === undefined) fallback = Number(number);
        else byField[field] = Number(number);
      }
      return { rest: fallback, byField };
    },
  } as const;
}

/** Defines a finite number option; undefined if absent. */
export function optionalNumber(name: string, describe: string) {
  return numberOption(name, describe, 'a number', Number.isFinite);
}

/** Defines a fraction option in [0, 1) with a default. */
export function fractionOption(name: string, value: number, describe: string) {
  return {
    ...numberOption(name, describe, 'a number between 0 and 1', (number) => number >= 0 && number < 1, value),
    default: String(value),
  } as const;
}

/** Defines a fraction option in (0, 1); undefined if absent. */
export function optionalFraction(name: string, describe: string) {
  return numberOption(name, describe, 'a number between 0 and 1', (number) => number > 0 && number < 1);
}

/** Defines a strength option in [0, 10], 0 by default. */
export function strengthOption(name: string, describe: string) {
  return {
    ...numberOption(name, describe, 'a number from 0 to 10', (number) => number >= 0 && number <= 10, 0),
    default: '0',
  } as const;
}

/** Defines an option for a number that `isValid` accepts; `value` is the default that help shows. */
function numberOption(
  name: string,
  describe: string,
  expected: string,
  isValid: (number: number) => boolean,
  value?: number,
) {
  return {
    requiresArg: true,
    ...describeNumber('number', value === undefined ? describe : `${describe}; default: ${value}`),
    coerce: (text: string): number => {
      const number = text.trim() === '' ? NaN : Number(text);
      if (!isValid(number))
        throw userError('usage', { where: name, message: `expected ${expected} (${describe}), found ${quoted(text)}` });
      return number;
    },
  } as const;
}
