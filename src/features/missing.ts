import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { userError } from '../core/errors.js';
import { checkScaling, type ScalingSpec } from '../core/scaling.js';
import type { CellRule } from './cell-rule.js';
import { BadValue, CELL_SEPARATOR, type Encoder, type Encoding, type Fit } from './feature.js';

/** Schema of the treatment of missing values for encodings. */
export const missingOption = z
  .enum(['unknown', 'token', 'error'])
  .optional()
  .describe(
    'Treatment of missing values: out-of-vocabulary id, separate token, or error; default: set by the encoding',
  );

/** Vocabulary string of missing values, which may not occur as a value. */
const EMPTY_TOKEN = CELL_SEPARATOR;

const EMPTY = new BadValue('a value', 'correct the row, or set fillMissing: unknown or fillMissing: token');
const NO_CELL = new BadValue('a value other than the control character U+001F, which represents a missing value');

/**
 * Adds the configured treatment of missing values to an encoding, which is fitted on the others. A separate token is a
 * vocabulary string if the encoding has a vocabulary, so that its row stays the same when it grows; otherwise the last
 * row.
 */
export function withMissing<Of extends Encoding>(encoding: Of, missing: z.output<typeof missingOption>): Of {
  if (missing === undefined) return encoding;
  const meta = {
    encodedAs: `${encoding.encodedAs}, missing ${missing}`,
    itemsEncodedAs: encoding.encodedAs,
    meaning: `${encoding.meaning}, missing ${missing}`,
  };
  if (missing === 'token')
    return { ...encoding, ...meta, ...(encoding.learnsTexts === true ? withOwnText(encoding) : withLastRow(encoding)) };
  const onEmpty = missing === 'error' ? rejectMissing : () => 0;
  const { startFit } = encoding;
  return {
    ...encoding,
    ...meta,
    startFit: startFit && (() => fitWith(startFit(), onEmpty)),
    encoder: (...args) => encoderWith(encoding.encoder(...args), onEmpty, missing === 'error' ? 'refused' : 0),
  };
}

/** Uses the last row for missing values. The encoding then cannot grow, since the row would move. */
function withLastRow({ startFit, encoder }: Encoding): Pick<Encoding, 'startFit' | 'encoder' | 'grow'> {
  return {
    startFit: startFit && (() => fitWith(startFit(), () => 0)),
    encoder: (fitted) => {
      const inner = encoder(fitted);
      return { ...encoderWith(inner, () => inner.rows, inner.rows), rows: inner.rows + 1 };
    },
    grow: undefined,
  };
}

/** Uses a vocabulary string for missing values, and rejects values equal to it. */
function withOwnText({ startFit, encoder }: Encoding): Pick<Encoding, 'startFit' | 'encoder'> {
  const toToken = (text: string): string => {
    if (text === EMPTY_TOKEN) throw NO_CELL;
    return text === '' ? EMPTY_TOKEN : text;
  };
  const isToken = (bytes: Uint8Array, begin: number, end: number): boolean =>
    end - begin === 1 && bytes[begin] === EMPTY_TOKEN.charCodeAt(0);
  const guarded = <Direct extends Fit['direct'] | Encoder['direct']>(direct: Direct): Direct =>
    direct?.cell === 'token'
      ? {
          ...direct,
          idsOf: undefined,
          idOf: (bytes, begin, end) => (isToken(bytes, begin, end) ? 0 : direct.idOf(bytes, begin, end)),
        }
      : direct;
  return {
    startFit:
      startFit &&
      (() => {
        const fit = startFit();
        return {
          ...fit,
          check: (text) => fit.check(toToken(text)),
          observe: (text) => fit.observe(toToken(text)),
          direct: guarded(fit.direct),
        };
      }),
    encoder: (...args) => {
      const inner = encoder(...args);
      const { rule } = inner;
      const ownRule: CellRule | undefined =
        rule?.kind === 'text' ? { ...rule, reserved: EMPTY_TOKEN, empty: inner.encode(EMPTY_TOKEN) } : rule;
      return { ...inner, rule: ownRule, encode: (text) => inner.encode(toToken(text)), direct: guarded(inner.direct) };
    },
  };
}

function fitWith(fit: Fit, onEmpty: () => unknown): Fit {
  return {
    ...fit,
    check: (text) => (text === '' ? onEmpty() : fit.check(text)),
    observe: (text) => (text === '' ? undefined : fit.observe(text)),
  };
}

function encoderWith(encoder: Encoder, onEmpty: () => number, empty: CellRule['empty']): Encoder {
  return {
    ...encoder,
    rule: encoder.rule && { ...encoder.rule, empty },
    encode: (text) => (text === '' ? onEmpty() : encoder.encode(text)),
  };
}

function rejectMissing(): never {
  throw EMPTY;
}

/** Returns whether a missing number is an error. */
export function isRefused(fill: string | number | undefined): boolean {
  return fill === undefined || fill === 'error';
}

/** Validates the options of scaled numbers with a fill for missing values. */
export function* checkFill(options: {
  readonly scaling: ScalingSpec;
  readonly fillMissing?: string | number | undefined;
  readonly indicator?: boolean | undefined;
}): Generator<ValidationIssue> {
  for (const { path, message } of checkScaling(options.scaling)) yield { path: ['scaling', ...path], message };
  if (options.indicator === true && isRefused(options.fillMissing))
    yield {
      path: ['indicator'],
      message: 'requires a fill for missing values, which are an error here; set fillMissing: mean',
    };
}

/** Creates the error for a field without values in the training set. */
export function noValuesError(field: string, values: string): Error {
  return userError('data', {
    key: `field '${field}'`,
    message: `has no ${values} in the training set`,
    fix: 'remove the field',
  });
}
