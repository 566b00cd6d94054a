import type { ScaleStep } from '../../core/scaling.js';
import type { CellRule, VectorStep } from '../../features/cell-rule.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import { checked, emitNumbers, type Cells } from './cells.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { emitTime, fixedOffset } from './times.js';

/** Why a rule cannot be written down, and what to do about it. */
export interface Unwritable {
  readonly message: string;
  readonly fix: string;
}

type Kind = CellRule['kind'];
type RuleOf<K extends Kind> = Extract<CellRule, { readonly kind: K }>;
/** Rows as whole numbers of 64 bits, or numbers of 64 bits, of cells that are not empty; of others, anything. */
type Written<K extends Kind> = { readonly [Each in K]: (rule: RuleOf<Each>, cells: Cells) => string };

/** The domain of the operators of ONNX-ML. */
const ML = 'ai.onnx.ml';
/** An id, as `parseId` takes it. */
const [ID, LARGEST_ID] = ['0*[0-9]{1,10}', 2 ** 31 - 1];

/**
 * Cells that become rows of a table, or numbers, as their rule says; running the graph fails where a cell cannot.
 * @returns whole numbers of 64 bits, or numbers of 64 bits
 */
export function emitRule(rule: CellRule, cells: Cells): string {
  const { onnx, field, isEmpty } = cells;
  // The table's entry for a kind takes the rules of that kind.
  const write = WRITTEN[rule.kind] as (rule: CellRule, cells: Cells) => string;
  const value = write(rule, cells);
  if (rule.empty === 'refused')
    return checked(
      onnx,
      value,
      isNumber(rule) ? 'double' : 'int64',
      onnx.node('Not', [isEmpty]),
      `${field}: something in the cell`,
    );
  return onnx.node('Where', [
    isEmpty,
    isNumber(rule) ? onnx.number(rule.empty, 'double') : onnx.number(rule.empty, 'int64'),
    value,
  ]);
}

/** What stands in the way of writing a rule down; undefined where nothing does. */
export function unwritable(rule: CellRule | undefined): Unwritable | undefined {
  if (rule?.kind === 'hashed')
    return {
      message: 'is hashed by MurmurHash3, for which ONNX has no operator',
      fix: 'leave out --with-encoders and hand over its ids, or train it with another encoding',
    };
  if (rule?.kind === 'time' && fixedOffset(rule.timeZone) === undefined)
    return {
      message: `is counted in the time zone ${rule.timeZone}, whose clocks change, and ONNX has no operator that knows when`,
      fix: 'leave out --with-encoders and hand over its ids, or train it with a timeZone as +01:00',
    };
  return rule === undefined
    ? {
        message: 'is read in a way for which ONNX has no operators',
        fix: 'leave out --with-encoders and hand over what it becomes',
      }
    : undefined;
}

/** Whether cells are decimal numbers, whatever becomes of them. */
export function isOfNumbers(rule: CellRule): boolean {
  return rule.kind === 'range' || isNumber(rule);
}

const isNumber = ({ kind }: CellRule): boolean => kind === 'number' || kind === 'between' || kind === 'constant';

const WRITTEN: Written<Exclude<Kind, 'hashed'>> & Partial<Written<Kind>> = {
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
    const places = Array.from({ length: vocabulary.offsets.length - 1 }, (_, place) => place);
    // One key at least: a list without any is none.
    const keys = ['', ...places.map(textAt)].map((text) => Buffer.from(text));
    const [row] = onnx.nodeOf(ML, 'LabelEncoder', [texts], {
      keys_strings: { texts: keys },
      values_int64s: [0, ...places.map((place) => place + 1)],
      default_int64: 0,
    });
    if (reserved === undefined) return row!;
    return checked(
      onnx,
      row!,
      'int64',
      onnx.node('Not', [onnx.node('Equal', [texts, onnx.text(reserved)])]),
      `${field}: a cell that is not the control character U+001F`,
    );
  },

  range({ boundaries }, cells) {
    const { onnx } = cells;
    return onnx.node('Add', [countAtMost(onnx, boundaries, emitNumbers(cells)), onnx.number(1, 'int64')]);
  },

  between({ knots }, cells) {
    const { onnx } = cells;
    const within = onnx.node('Min', [
      onnx.node('Max', [emitNumbers(cells), onnx.number(knots[0]!, 'double')]),
      onnx.number(knots.at(-1)!, 'double'),
    ]);
    const row = countAtMost(onnx, knots, within);
    const of = (numbers: readonly number[]): string =>
      onnx.node('Gather', [onnx.doubles(numbers), onnx.node('Sub', [row, onnx.number(1, 'int64')])]);
    // Nothing lies beyond the last knot.
    const gaps = knots.map((knot, i) => (i === knots.length - 1 ? 1 : knots[i + 1]! - knot));
    return onnx.node('Add', [
      onnx.node('Cast', [row], { to: ELEMENT_TYPES.double }),
      onnx.node('Div', [onnx.node('Sub', [within, of(knots)]), of(gaps)]),
    ]);
  },

  time: emitTime,

  number: ({ scaling }, cells) => scaling.reduce((value, step) => scaled(step, value, cells), emitNumbers(cells)),

  constant({ value }, cells) {
    const { onnx } = cells;
    return onnx.node('Add', [
      onnx.node('Mul', [emitNumbers(cells), onnx.number(0, 'double')]),
      onnx.number(value, 'double'),
    ]);
  },
};

/** How many of some rising numbers are at most as large as each of others: a binary search, step by step. */
function countAtMost(onnx: OnnxGraph, rising: readonly number[], numbers: string): string {
  const numSteps = Math.ceil(Math.log2(rising.length + 1));
  const padded = onnx.doubles(Array.from({ length: 2 ** numSteps }, (_, i) => rising[i] ?? Infinity));
  let count = onnx.node('Cast', [onnx.node('Mul', [numbers, onnx.number(0, 'double')])], { to: ELEMENT_TYPES.int64 });
  for (let step = 2 ** (numSteps - 1); step >= 1; step /= 2) {
    const next = onnx.node('Gather', [padded, onnx.node('Add', [count, onnx.number(step - 1, 'int64')])]);
    const isBelow = onnx.node('LessOrEqual', [next, numbers]);
    count = onnx.node('Add', [
      count,
      onnx.node('Where', [isBelow, onnx.number(step, 'int64'), onnx.number(0, 'int64')]),
    ]);
  }
  return count;
}

/** What a step of a scaling makes of numbers of 64 bits; of vectors, of each place for itself. */
export function scaled(
  step: ScaleStep | VectorStep,
  x: string,
  { onnx, field }: Omit<Cells, 'texts' | 'isEmpty'>,
): string {
  const constant = (value: number | readonly number[]): string =>
    typeof value === 'number' ? onnx.number(value, 'double') : onnx.doubles(value);
  if (step.kind === 'affine')
    return onnx.node('Div', [onnx.node('Sub', [x, constant(step.subtract)]), constant(step.divide)]);
  const one = onnx.number(1, 'double');
  const number = checked(
    onnx,
    x,
    'double',
    onnx.node('Greater', [x, onnx.number(-1, 'double')]),
    `${field}: a number above -1, for log(1 + x)`,
  );
  // log(u) x / (u - 1) with u the rounded 1 + x, which takes away what the rounding costs (Kahan).
  const u = onnx.node('Add', [one, number]);
  const log = onnx.node('Div', [onnx.node('Mul', [onnx.node('Log', [u]), number]), onnx.node('Sub', [u, one])]);
  return onnx.node('Where', [onnx.node('Equal', [u, one]), number, log]);
}
