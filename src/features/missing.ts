import { z } from 'zod';
import type { CellRule } from './cell-rule.js';
import { BadValue, CELL_SEPARATOR, type Encoder, type Encoding, type Fit } from './feature.js';

/** What an empty cell becomes where cells become ids, in the YAML. */
export const missingOption = z
  .enum(['unknown', 'token', 'error'])
  .optional()
  .describe(
    'Treatment of missing values: out-of-vocabulary id, a token of their own, or error; default: set by the encoding',
  );

/** What an encoding has for empty cells of their own, where it numbers texts: one that no cell may be. */
const EMPTY_TOKEN = CELL_SEPARATOR;

const EMPTY = new BadValue(
  'something in the cell',
  'correct the row, or take fillMissing: unknown or fillMissing: token',
);
const NO_CELL = new BadValue('a cell that is not the control character U+001F, which stands for an empty one here');

/**
 * An encoding that treats empty cells as a config says; what it learns is learned from the others. A token of their own
 * is one
 * of the encoding's where it learns texts, so that it stays where it is when these grow; else the row behind all
 * others.
 */
export function withMissing<Of extends Encoding>(encoding: Of, missing: z.output<typeof missingOption>): Of {
  if (missing === undefined) return encoding;
  const said = {
    encodedAs: `${encoding.encodedAs}, missing ${missing}`,
    itemsEncodedAs: encoding.encodedAs,
    meaning: `${encoding.meaning}, missing ${missing}`,
  };
  if (missing === 'token')
    return { ...encoding, ...said, ...(encoding.learnsTexts === true ? withOwnText(encoding) : withLastRow(encoding)) };
  const onEmpty = missing === 'error' ? refuse : () => 0;
  return {
    ...encoding,
    ...said,
    startFit: () => fitWith(encoding.startFit(), onEmpty),
    encoder: (fitted) => encoderWith(encoding.encoder(fitted), onEmpty, missing === 'error' ? 'refused' : 0),
  };
}

/** A token of its own as the last row of the table. What has one cannot grow: the row would move. */
function withLastRow({ startFit, encoder }: Encoding): Pick<Encoding, 'startFit' | 'encoder' | 'grow'> {
  return {
    startFit: () => fitWith(startFit(), () => 0),
    encoder: (fitted) => {
      const inner = encoder(fitted);
      return { ...encoderWith(inner, () => inner.rows, inner.rows), rows: inner.rows + 1 };
    },
    grow: undefined,
  };
}

/** A token of its own among those that are learned; a cell that is its text is refused, so that it is no other's. */
function withOwnText({ startFit, encoder }: Encoding): Pick<Encoding, 'startFit' | 'encoder'> {
  const tokenOf = (text: string): string => {
    if (text === EMPTY_TOKEN) throw NO_CELL;
    return text === '' ? EMPTY_TOKEN : text;
  };
  const isToken = (bytes: Uint8Array, begin: number, end: number): boolean =>
    end - begin === 1 && bytes[begin] === EMPTY_TOKEN.charCodeAt(0);
  const guarded = <Direct extends Fit['direct'] | Encoder['direct']>(direct: Direct): Direct =>
    direct?.cell === 'token'
      ? { ...direct, idOf: (bytes, begin, end) => (isToken(bytes, begin, end) ? 0 : direct.idOf(bytes, begin, end)) }
      : direct;
  return {
    startFit: () => {
      const fit = startFit();
      return (
        fit && {
          ...fit,
          check: (text) => fit.check(tokenOf(text)),
          observe: (text) => fit.observe(tokenOf(text)),
          direct: guarded(fit.direct),
        }
      );
    },
    encoder: (fitted) => {
      const inner = encoder(fitted);
      const { rule } = inner;
      const ownRule: CellRule | undefined =
        rule?.kind === 'text' ? { ...rule, reserved: EMPTY_TOKEN, empty: inner.encode(EMPTY_TOKEN) } : rule;
      return { ...inner, rule: ownRule, encode: (text) => inner.encode(tokenOf(text)), direct: guarded(inner.direct) };
    },
  };
}

function fitWith(fit: Fit | undefined, onEmpty: () => unknown): Fit | undefined {
  return (
    fit && {
      ...fit,
      check: (text) => (text === '' ? onEmpty() : fit.check(text)),
      observe: (text) => (text === '' ? undefined : fit.observe(text)),
    }
  );
}

function encoderWith(encoder: Encoder, onEmpty: () => number, empty: CellRule['empty']): Encoder {
  return {
    ...encoder,
    rule: encoder.rule && { ...encoder.rule, empty },
    encode: (text) => (text === '' ? onEmpty() : encoder.encode(text)),
  };
}

function refuse(): never {
  throw EMPTY;
}
