import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** A decimal number, as accepted by `parseNumber`, and the smallest one beyond float32. */
export const NUMBER = '[+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?';
const MIN_INFINITE = 2 ** 128 - 2 ** 103;

/** String values of a graph of any rank; everything derived from them has the same shape. */
export interface Cells {
  readonly onnx: OnnxGraph;
  /** Name of the field, for error messages. */
  readonly field: string;
  readonly texts: string;
  /** Which of them are empty. */
  readonly isEmpty: string;
}

/**
 * Emits a value that is valid only where a condition holds; otherwise running the graph fails with what was expected.
 * @param holds condition of the same shape
 */
export function checked(
  onnx: OnnxGraph,
  value: string,
  type: 'int64' | 'double',
  holds: string,
  expected: string,
): string {
  return onnx.node('Add', [
    value,
    onlyWhere(onnx, type === 'int64' ? onnx.ints(0) : onnx.doubles([0]), holds, expected),
  ]);
}

/** Emits `checked` for strings. */
export function checkedTexts(onnx: OnnxGraph, texts: string, holds: string, expected: string): string {
  return onnx.node('StringConcat', [texts, onlyWhere(onnx, onnx.text(''), holds, expected)]);
}

/**
 * Emits the single element of a list, once per condition that holds. ONNX has no operator that fails on purpose, but
 * Gather fails beyond a list.
 */
function onlyWhere(onnx: OnnxGraph, list: string, holds: string, expected: string): string {
  return onnx.named(`expected of ${expected}`, 'Gather', [
    list,
    onnx.node('Where', [holds, onnx.number(0, 'int64'), onnx.number(1, 'int64')]),
  ]);
}

/** Emits decimal numbers of values; 0 for empty ones. Running the graph fails for others. */
export function emitNumbers(cells: Cells): string {
  const { number, isValid } = parseNumbers(cells);
  return checked(
    cells.onnx,
    number,
    'double',
    isValid,
    `${cells.field}: a decimal number within the range of a 32-bit float`,
  );
}

/** Emits decimal numbers of values, and which of them are valid; 0 for empty ones, which are. */
export function parseNumbers({ onnx, texts, isEmpty }: Omit<Cells, 'field'>): {
  readonly number: string;
  readonly isValid: string;
} {
  const matches = onnx.node('RegexFullMatch', [texts], { pattern: NUMBER });
  const isRead = onnx.node('And', [matches, onnx.node('Not', [isEmpty])]);
  const number = onnx.node('Cast', [onnx.node('Where', [isRead, texts, onnx.text('0')])], { to: ELEMENT_TYPES.double });
  return { number, isValid: onnx.node('Or', [isEmpty, onnx.node('And', [matches, isInFloatRange(onnx, number)])]) };
}

/** Emits which numbers are finite as 32-bit floats. */
export function isInFloatRange(onnx: OnnxGraph, number: string): string {
  return onnx.node('Less', [onnx.node('Abs', [number]), onnx.number(MIN_INFINITE, 'double')]);
}

/** A number in common notations, with either decimal separator. */
const WRITTEN_NUMBER = '\\s*[+-]?[.,]*[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?\\s*';

/** Emits values with a dot for the decimal comma. Running the graph fails for a number with a dot. */
export function withDots(cells: Cells): Cells {
  const { onnx, field, texts } = cells;
  const isNumberWith = (pattern: string): string =>
    onnx.node(
      'And',
      [WRITTEN_NUMBER, pattern].map((each) => onnx.node('RegexFullMatch', [texts], { pattern: each })),
    );
  // With an appended comma, the first two parts always exist.
  const [parts] = onnx.nodeOf(
    undefined,
    'StringSplit',
    [onnx.node('StringConcat', [texts, onnx.text(',')])],
    { delimiter: ',' },
    2,
  );
  const part = (index: number): string => onnx.node('Gather', [parts!, onnx.number(index, 'int64')], { axis: -1 });
  const dotted = onnx.node('StringConcat', [onnx.node('StringConcat', [part(0), onnx.text('.')]), part(1)]);
  const read = onnx.node('Where', [isNumberWith('[^,]*,[^,]*'), dotted, texts]);
  return {
    ...cells,
    texts: checkedTexts(
      onnx,
      read,
      onnx.node('Not', [isNumberWith('(?s).*[.].*')]),
      `${field}: a number with a decimal comma and no dot`,
    ),
  };
}
