import type { CellOptions } from '../../features/cells.js';
import { checkedTexts, NUMBER, type Cells } from './cells.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** All characters that JavaScript's `trim` removes. */
const SPACES =
  '\\t\\n\\x{b}\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}';
const TRIMMED = `(?s)(?:[^${SPACES}](?:.*[^${SPACES}])?)?`;
/** Values that can be trimmed: at most one word, surrounded by spaces. */
const ONE_WORD = ` *[^${SPACES}]* *`;
/** Emits which strings are empty. */
export function isEmptyText(onnx: OnnxGraph, texts: string): string {
  return onnx.node('Equal', [texts, onnx.text('')]);
}

/**
 * Emits trimmed values, with words for missing values as empty strings. Running the graph fails for values that ONNX
 * operators cannot trim: several words surrounded by spaces.
 */
export function cleanedCells(cells: Cells, clean: CellOptions | undefined): Cells {
  if (clean === undefined) return cells;
  const { onnx } = cells;
  const trimmed = clean.trim === true ? trimmedTexts(cells) : cells.texts;
  const isWord = isBlankWord({ ...cells, texts: trimmed }, clean);
  const texts = isWord === undefined ? trimmed : onnx.node('Where', [isWord, onnx.text(''), trimmed]);
  return { ...cells, texts, isEmpty: isEmptyText(onnx, texts) };
}

function trimmedTexts({ onnx, field, texts }: Cells): string {
  const matches = (pattern: string): string => onnx.node('RegexFullMatch', [texts], { pattern });
  const isTrimmed = matches(TRIMMED);
  // An additional word, so that there is at least one.
  const [words] = onnx.nodeOf(
    undefined,
    'StringSplit',
    [onnx.node('StringConcat', [texts, onnx.text(' .')])],
    { delimiter: '' },
    2,
  );
  const first = onnx.node('Gather', [words!, onnx.number(0, 'int64')], { axis: -1 });
  const word = onnx.node('Where', [matches(' *'), onnx.text(''), first]);
  return checkedTexts(
    onnx,
    onnx.node('Where', [isTrimmed, texts, word]),
    onnx.node('Or', [isTrimmed, matches(ONE_WORD)]),
    `${field}: at most one word in a value with surrounding spaces`,
  );
}

/** Emits which strings denote missing values; undefined if there is no such word. */
function isBlankWord({ onnx, texts }: Cells, { nullValues: blank = [] }: CellOptions): string | undefined {
  const words = blank.filter((each) => typeof each === 'string' && each !== '');
  const numbers = blank.filter((each) => typeof each === 'number');
  const either = (all: readonly string[]): string => all.reduce((some, each) => onnx.node('Or', [some, each]));
  const isWord = words.map((word) => onnx.node('Equal', [texts, onnx.text(String(word))]));
  if (numbers.length === 0) return isWord.length === 0 ? undefined : either(isWord);
  const isNumber = onnx.node('RegexFullMatch', [texts], { pattern: NUMBER });
  const number = onnx.node('Cast', [onnx.node('Where', [isNumber, texts, onnx.text('0')])], {
    to: ELEMENT_TYPES.double,
  });
  const isOne = either(numbers.map((each) => onnx.node('Equal', [number, onnx.number(each, 'double')])));
  return either([...isWord, onnx.node('And', [isNumber, isOne])]);
}
