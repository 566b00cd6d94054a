import type { CellOptions } from '../../features/cells.js';
import type { BagForm, ListForm } from '../../features/feature.js';
import { parseNumbers, type Cells } from './cells.js';
import { cleanedCells, isEmptyText } from './clean-cells.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Items of lists as graph values of shape `[batch, longest + 1]`: each row has padding. */
export interface ListItems {
  /** Texts of the items, with an empty text for missing ones. */
  readonly texts: string;
  readonly weights: string;
  /** Which elements are padding or a dropped item. */
  readonly isAbsent: string;
  /** Which elements are absent or a missing item. */
  readonly isOut: string;
  /** Which elements are absent or a valid item, and the description of one. */
  readonly isValidItem: string;
  readonly validItem: string;
  /** Which elements are absent or have a valid weight, and the description of one. */
  readonly isValidWeight: string;
  readonly validWeight: string;
}

/** Emits the items of lists with separators. */
export function emitItems(
  { onnx, field, texts, isEmpty }: Cells,
  form: ListForm & Partial<Pick<BagForm, 'negative'>>,
  clean: CellOptions | undefined,
): ListItems {
  const { items: separator, negative = 'taken' } = form;
  const weightSeparator = form.weight!;
  const cleaned = (written: string): Cells =>
    cleanedCells({ onnx, field, texts: written, isEmpty: isEmptyText(onnx, written) }, clean);
  const { written, isWritten } = splitItems({ onnx, texts, isEmpty }, separator);
  const { texts: items, isEmpty: isNothing } = cleaned(written);
  // An item for a missing value is dropped; an empty item is an error.
  const isDropped = onnx.node('And', [isNothing, onnx.node('Not', [isEmptyText(onnx, written)])]);
  const isThere = clean === undefined ? isWritten : onnx.node('And', [isWritten, onnx.node('Not', [isDropped])]);
  const isAbsent = onnx.node('Not', [isThere]);

  // With an appended weight, the first of one or two is the item's.
  const [parts, numParts] = onnx.nodeOf(
    undefined,
    'StringSplit',
    [onnx.node('StringConcat', [items, onnx.text(`${weightSeparator}1`)])],
    { delimiter: weightSeparator },
    2,
  );
  const part = (index: number): string => onnx.node('Gather', [parts!, onnx.number(index, 'int64')], { axis: 2 });
  const ids = part(0);
  const { texts: keys, isEmpty: isNoKey } = cleaned(ids);
  const isItem = [
    ...(form.format === 'separated' ? [] : [isNoList(onnx, texts)]),
    onnx.node('Not', [isEmptyText(onnx, ids)]),
    onnx.node('LessOrEqual', [numParts!, onnx.number(3, 'int64')]),
  ].reduce((all, each) => onnx.node('And', [all, each]));
  const { number: weights, isValid } = parseNumbers({ onnx, texts: part(1), isEmpty: isAbsent });
  const isPositive = onnx.node('GreaterOrEqual', [weights, onnx.number(0, 'double')]);
  const isOut = clean === undefined ? isAbsent : onnx.node('Or', [isAbsent, isNoKey]);
  return {
    texts: keys,
    weights,
    isAbsent,
    isOut,
    isValidItem: onnx.node('Or', [isAbsent, isItem]),
    validItem:
      `${field}: an id in every item, with '${separator}' between items, ` +
      `and '${weightSeparator}' before a weight alone`,
    isValidWeight: negative === 'taken' ? isValid : onnx.node('And', [isValid, onnx.node('Or', [isOut, isPositive])]),
    validWeight: `${field}: a weight ${negative === 'taken' ? '' : 'of at least 0 '}within the range of a 32-bit float`,
  };
}

/** Emits the parts of lists between separators, padded to the longest list plus one, and which are no padding. */
export function splitItems(
  { onnx, texts, isEmpty }: Omit<Cells, 'field'>,
  separator: string,
): { readonly written: string; readonly isWritten: string } {
  const one = onnx.ints(1);
  // One padding item, since few operators accept a dimension of length 0.
  const [written, numItems] = onnx.nodeOf(
    undefined,
    'StringSplit',
    [onnx.node('StringConcat', [texts, onnx.text(`${separator}0`)])],
    { delimiter: separator },
    2,
  );
  const longest = onnx.node('Squeeze', [onnx.node('Slice', [onnx.node('Shape', [written!]), one, onnx.ints(2)])]);
  const indices = onnx.node('Range', [onnx.number(0, 'int64'), longest, onnx.number(1, 'int64')]);
  const isBefore = onnx.node('Less', [
    indices,
    onnx.node('Unsqueeze', [onnx.node('Sub', [numItems!, onnx.number(1, 'int64')]), one]),
  ]);
  return {
    written: written!,
    isWritten: onnx.node('And', [isBefore, onnx.node('Not', [onnx.node('Unsqueeze', [isEmpty, one])])]),
  };
}

/** Emits which rows are no JSON lists, `[batch, 1]`. */
function isNoList(onnx: OnnxGraph, texts: string): string {
  const isList = onnx.node('RegexFullMatch', [texts], { pattern: '(?s)\\[.*\\]' });
  return onnx.node('Not', [onnx.node('Unsqueeze', [isList, onnx.ints(1)])]);
}
