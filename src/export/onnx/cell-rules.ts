import type { ScaleStep } from '../../core/scaling.js';
import type { CellRule, VectorStep } from '../../features/cell-rule.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import { checked, emitNumbers, type Cells } from './cells.js';
import { countAtMost, emitRank } from './ranks.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { emitTime, fixedOffset } from './times.js';

/** Why a rule cannot be exported, and the fix. */
export interface Unwritable {
  readonly message: string;
  readonly fix: string;
}

type Kind = CellRule['kind'];
type RuleOf<K extends Kind> = Extract<CellRule, { readonly kind: K }>;
/** Kinds of rules for decimal numbers. */
type NumberKind = 'range' | 'between' | 'number' | 'constant';
/** Emits int64 rows or float64 numbers; arbitrary for missing values. */
type Written<K extends Kind> = { readonly [Each in K]: (rule: RuleOf<Each>, cells: Cells) => string };
type NumbersWritten = {
  readonly [Each in NumberKind]: (
    rule: RuleOf<Each>,
    numbers: string,
    about: Omit<Cells, 'texts' | 'isEmpty'>,
  ) => string;
};

/** Domain of the ONNX-ML operators. */
const ML = 'ai.onnx.ml';
/** An id, as accepted by `parseId`. */
const [ID, LARGEST_ID] = ['0*[0-9]{1,10}', 2 ** 31 - 1];

/**
 * Emits table rows or numbers of values, according to their rule; running the graph fails for invalid values.
 * @returns an int64 or float64 value
 */
export function emitRule(rule: CellRule, cells: Cells): string {
  if (isOfNumbers(rule)) return emitNumberRule(rule, { ...cells, numbers: emitNumbers(cells) });
  // The entry for a kind accepts rules of that kind.
  const write = WRITTEN[rule.kind] as (rule: CellRule, cells: Cells) => string;
  return filled(rule, write(rule, cells), cells);
}

/**
 * Emits table rows or numbers of float64 numbers.
 * @param cells numbers, of which missing ones may be any number but NaN
 */
export function emitNumberRule(
  rule: RuleOf<NumberKind>,
  { numbers, ...cells }: Omit<Cells, 'texts'> & { readonly numbers: string },
): string {
  const write = NUMBERS_WRITTEN[rule.kind] as (rule: CellRule, numbers: string, about: object) => string;
  return filled(rule, write(rule, numbers, cells), cells);
}

/** Emits values with the result for missing ones, unless these are invalid. */
function filled(rule: CellRule, value: string, { onnx, field, isEmpty }: Omit<Cells, 'texts'>): string {
  if (rule.empty === 'refused')
    return checked(
      onnx,
      value,
      isNumber(rule) ? 'double' : 'int64',
      onnx.node('Not', [isEmpty]),
      `${field}: a value that is not missing`,
    );
  return onnx.node('Where', [
    isEmpty,
    isNumber(rule) ? onnx.number(rule.empty, 'double') : onnx.number(rule.empty, 'int64'),
    value,
  ]);
}

/** Returns why a rule cannot be exported; undefined if it can. */
export function unwritable(rule: CellRule | undefined): Unwritable | undefined {
  if (rule?.kind === 'hashed')
    return {
      message: 'is hashed with MurmurHash3, for which ONNX has no operator',
      fix: 'remove --with-encoders and pass its ids, or train it with another encoding',
    };
  if (rule?.kind === 'time' && fixedOffset(rule.timeZone) === undefined)
    return {
      message: `uses the time zone ${rule.timeZone} with daylight saving time, for which ONNX has no operator`,
      fix: 'remove --with-encoders and pass its ids, or train it with a fixed timeZone such as +01:00',
    };
  return rule === undefined
    ? {
        message: 'has an encoding for which ONNX has no operators',
        fix: 'remove --with-encoders and pass its encoded values',
      }
    : undefined;
}

/** Returns whether values are decimal numbers. */
export function isOfNumbers(rule: CellRule): rule is RuleOf<NumberKind> {
  return rule.kind === 'range' || isNumber(rule);
}

const isNumber = ({ kind }: CellRule): boolean => kind === 'number' || kind === 'between' || kind === 'constant';

const WRITTEN: Written<Exclude<Kind, NumberKind | 'hashed'>> & Partial<Written<Exclude<Kind, NumberKind>>> = {
  id({ size, beyond, others }, { onnx, field, texts, isEmpty }) {
    const matches = onnx.node('RegexFullMatch', [texts], { pattern: ID });
    const id = onnx.node('Cast', [onnx.node('Where', [matches, texts, onnx.text('0')])], { to: ELEMENT_TYPES.int64 });
    if (others === 'unknown')
      return onnx.node('Where', [
        onnx.node('And', [matches, onnx.node('Less', [id, onnx.number(size, 'int64')])]),
        id,
        onnx.number(0, 'int64'),
      ]);
    const bound = beyond === 'refused' ? size : LARGEST_ID + 1;
    const isId = onnx.node('And', [matches, onnx.node('Less', [id, onnx.number(bound, 'int64')])]);
    const known =
      beyond === 'refused'
        ? id
        : onnx.node('Where', [onnx.node('Less', [id, onnx.number(size, 'int64')]), id, onnx.number(0, 'int64')]);
    return checked(onnx, known, 'int64', onnx.node('Or', [isEmpty, isId]), `${field}: an id in digits, below ${bound}`);
  },

  text({ texts: vocabulary, reserved }, { onnx, field, texts }) {
    const textAt = textReader(vocabulary);
    const indices = Array.from({ length: vocabulary.offsets.length - 1 }, (_, index) => index);
    // At least one key, since an empty list is not valid.
    const keys = ['', ...indices.map(textAt)].map((text) => Buffer.from(text));
    const [row] = onnx.nodeOf(ML, 'LabelEncoder', [texts], {
      keys_strings: { texts: keys },
      values_int64s: [0, ...indices.map((index) => index + 1)],
      default_int64: 0,
    });
    if (reserved === undefined) return row!;
    return checked(
      onnx,
      row!,
      'int64',
      onnx.node('Not', [onnx.node('Equal', [texts, onnx.text(reserved)])]),
      `${field}: a value other than the control character U+001F`,
    );
  },

  time: emitTime,
};

const NUMBERS_WRITTEN: NumbersWritten = {
  range: ({ boundaries }, numbers, { onnx }) =>
    onnx.node('Add', [countAtMost(onnx, boundaries, numbers), onnx.number(1, 'int64')]),

  between({ knots }, numbers, { onnx }) {
    const within = onnx.node('Min', [
      onnx.node('Max', [numbers, onnx.number(knots[0]!, 'double')]),
      onnx.number(knots.at(-1)!, 'double'),
    ]);
    const row = countAtMost(onnx, knots, within);
    const of = (numbers: readonly number[]): string =>
      onnx.node('Gather', [onnx.doubles(numbers), onnx.node('Sub', [row, onnx.number(1, 'int64')])]);
    // There is nothing after the last knot.
    const gaps = knots.map((knot, i) => (i === knots.length - 1 ? 1 : knots[i + 1]! - knot));
    return onnx.node('Add', [
      onnx.node('Cast', [row], { to: ELEMENT_TYPES.double }),
      onnx.node('Div', [onnx.node('Sub', [within, of(knots)]), of(gaps)]),
    ]);
  },

  number: ({ scaling }, numbers, about) => scaling.reduce((value, step) => scaled(step, value, about), numbers),

  constant: ({ value }, numbers, { onnx }) =>
    onnx.node('Add', [onnx.node('Mul', [numbers, onnx.number(0, 'double')]), onnx.number(value, 'double')]),
};

/** Emits a scaling step on float64 numbers; for vectors, element by element. */
export function scaled(
  step: ScaleStep | VectorStep,
  x: string,
  { onnx, field }: Omit<Cells, 'texts' | 'isEmpty'>,
): string {
  const constant = (value: number | readonly number[]): string =>
    typeof value === 'number' ? onnx.number(value, 'double') : onnx.doubles(value);
  if (step.kind === 'rank') return emitRank(onnx, step, x);
  if (step.kind === 'affine')
    return onnx.node('Div', [onnx.node('Sub', [x, constant(step.subtract)]), constant(step.divide)]);
  const number = checked(
    onnx,
    x,
    'double',
    onnx.node('Greater', [x, onnx.number(-1, 'double')]),
    `${field}: a number above -1 for log(1 + x)`,
  );
  return emitLog1p(onnx, number);
}

/** Emits log(1 + x) of float64 numbers above -1. */
export function emitLog1p(onnx: OnnxGraph, x: string): string {
  const one = onnx.number(1, 'double');
  // log(u) x / (u - 1), where u is the rounded 1 + x, cancels the rounding error (Kahan).
  const u = onnx.node('Add', [one, x]);
  const rounded = onnx.node('Sub', [u, one]);
  const isExact = onnx.node('Equal', [x, rounded]);
  const log = onnx.node('Mul', [
    onnx.node('Log', [u]),
    onnx.node('Where', [isExact, one, onnx.node('Div', [x, rounded])]),
  ]);
  return onnx.node('Where', [onnx.node('Equal', [u, one]), x, log]);
}
