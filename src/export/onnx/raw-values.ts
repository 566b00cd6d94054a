import { UserError } from '../../core/errors.js';
import { type BagForm, CELL_SEPARATOR, type EncodedField } from '../../features/feature.js';
import { paddedBag } from './bags.js';
import type { ExportedModel } from '../model.js';
import { emitRule, isOfNumbers, unwritable, type Unwritable } from './cell-rules.js';
import { checked, checkedTexts, emitNumbers, withDots, type Cells } from './cells.js';
import { cleanedCells, isEmptyText } from './clean-cells.js';
import type { FieldValues } from './features.js';
import { BATCH } from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { emitVectors } from './vectors.js';

/**
 * Creates inputs for raw values, one string input per column.
 * @param decimal decimal separator of the strings
 * @throws UserError (usage) with all fields that ONNX operators cannot encode
 */
export function rawValues(
  onnx: OnnxGraph,
  fields: readonly EncodedField[],
  decimal?: ExportedModel['decimal'],
): FieldValues {
  const problems = fields.flatMap((field) => {
    const problem = whyUnwritable(field);
    const { name } = field;
    return problem === undefined ? [] : [{ where: '--with-encoders', key: `field '${name}'`, ...problem }];
  });
  if (problems.length > 0) throw new UserError('usage', problems);
  const byName = new Map(fields.map((field) => [field.name, field]));
  const findRule = (name: string) => byName.get(name)!.rule!;
  const inputCells = (name: string): Cells => {
    const rule = findRule(name);
    const cells = byName.get(name)!.columns.map((column) => {
      const written = cellsOfColumn(onnx, name, column);
      return cleanedCells(decimal === ',' && isOfNumbers(rule) ? withDots(written) : written, rule.clean);
    });
    return cells.length === 1 ? cells[0]! : joinedCells(cells);
  };
  return {
    ids: (name) => emitRule(findRule(name), inputCells(name)),
    numbers: (name) => onnx.node('Cast', [emitRule(findRule(name), inputCells(name))], { to: ELEMENT_TYPES.float }),
    vectors(name) {
      const { columns, vectorRule } = byName.get(name)!;
      return emitVectors(onnx, name, columns[0]!, vectorRule!);
    },
    bag(name) {
      const field = byName.get(name)!;
      if (field.kind !== 'bag') throw new Error(`'${name}' is no bag`);
      return emitBag(inputCells(name), field);
    },
  };
}

function whyUnwritable(field: EncodedField): Unwritable | undefined {
  if (field.computed !== undefined) return COMPUTED;
  if (field.kind === 'bag' && field.form.format === 'json') return IN_JSON;
  return field.kind === 'vector' ? undefined : unwritable(field.rule);
}

const COMPUTED = {
  message: 'is computed from its columns, for which there are no ONNX operators',
  fix: 'remove --with-encoders and pass its encoded values',
};
const IN_JSON = {
  message: 'contains JSON lists, for which ONNX has no parser',
  fix: 'remove --with-encoders and pass ids and weights',
};

function cellsOfColumn(onnx: OnnxGraph, field: string, column: string): Cells {
  const texts = onnx.input({
    name: column,
    type: 'string',
    shape: [BATCH],
    about: 'raw values of the data; an empty string for a missing value',
  });
  return { onnx, field, texts, isEmpty: isEmptyText(onnx, texts) };
}

/** Emits the joined values of several columns; empty if any is empty. */
function joinedCells(cells: readonly Cells[]): Cells {
  const { onnx, field } = cells[0]!;
  const isWhole = cells
    .map(({ texts }) => onnx.node('RegexFullMatch', [texts], { pattern: '[^\\x1f]*' }))
    .reduce((all, each) => onnx.node('And', [all, each]));
  const isEmpty = cells.map((each) => each.isEmpty).reduce((some, each) => onnx.node('Or', [some, each]));
  const joined = cells
    .map(({ texts }) => texts)
    .reduce((all, each) =>
      onnx.node('StringConcat', [onnx.node('StringConcat', [all, onnx.text(CELL_SEPARATOR)]), each]),
    );
  return {
    onnx,
    field,
    texts: checkedTexts(onnx, joined, isWhole, `${field}: values without the control character U+001F`),
    isEmpty,
  };
}

/** Emits the items of bags, padded to the longest bag plus one. */
function emitBag(
  { onnx, field, texts, isEmpty }: Cells,
  { form, rule }: EncodedField & { readonly kind: 'bag' },
): ReturnType<FieldValues['bag']> {
  const one = onnx.ints(1);
  const split = (text: string, delimiter: string): readonly string[] =>
    onnx.nodeOf(undefined, 'StringSplit', [text], { delimiter }, 2);
  const suffixed = (text: string, suffix: string): string => onnx.node('StringConcat', [text, onnx.text(suffix)]);
  // One padding item, since few operators accept a dimension of length 0.
  const [written, numItems] = split(suffixed(texts, `${form.items}0`), form.items);
  const longest = onnx.node('Squeeze', [onnx.node('Slice', [onnx.node('Shape', [written!]), one, onnx.ints(2)])]);
  const indices = onnx.node('Range', [onnx.number(0, 'int64'), longest, onnx.number(1, 'int64')]);
  const isBefore = onnx.node('Less', [
    indices,
    onnx.node('Unsqueeze', [onnx.node('Sub', [numItems!, onnx.number(1, 'int64')]), one]),
  ]);
  const isWritten = onnx.node('And', [isBefore, onnx.node('Not', [onnx.node('Unsqueeze', [isEmpty, one])])]);
  const cleaned = (cells: string): Cells =>
    cleanedCells({ onnx, field, texts: cells, isEmpty: isEmptyText(onnx, cells) }, rule!.clean);
  const { texts: items, isEmpty: isNothing } = cleaned(written!);
  // An item for a missing value is dropped; an empty item is an error.
  const isDropped = onnx.node('And', [isNothing, onnx.node('Not', [isEmptyText(onnx, written!)])]);
  const isThere = rule!.clean === undefined ? isWritten : onnx.node('And', [isWritten, onnx.node('Not', [isDropped])]);
  const isAbsent = onnx.node('Not', [isThere]);

  // With an appended weight, the first of one or two is the item's.
  const [parts, numParts] = split(suffixed(items, `${form.weight!}1`), form.weight!);
  const part = (index: number): string => onnx.node('Gather', [parts!, onnx.number(index, 'int64')], { axis: 2 });
  const ids = part(0);
  const { texts: keys, isEmpty: isNoKey } = cleaned(ids);
  const isNoList =
    form.format === 'separated'
      ? []
      : [
          onnx.node('Not', [
            onnx.node('Unsqueeze', [onnx.node('RegexFullMatch', [texts], { pattern: '(?s)\\[.*\\]' }), one]),
          ]),
        ];
  const isItem = [
    ...isNoList,
    onnx.node('Not', [isEmptyText(onnx, ids)]),
    onnx.node('LessOrEqual', [numParts!, onnx.number(3, 'int64')]),
  ].reduce((all, each) => onnx.node('And', [all, each]));
  const isOut = rule!.clean === undefined ? isAbsent : onnx.node('Or', [isAbsent, isNoKey]);
  const id = emitRule({ ...rule!, empty: 0 }, { onnx, field, texts: keys, isEmpty: isOut });
  const rows = checked(
    onnx,
    id,
    'int64',
    onnx.node('Or', [isAbsent, isItem]),
    `${field}: an id in every item, with '${form.items}' between items, and '${form.weight}' before a weight alone`,
  );

  const numbers = emitNumbers({ onnx, field, texts: part(1), isEmpty: isAbsent });
  const zero = onnx.number(0, 'double');
  const itemWeights =
    form.negative === 'taken'
      ? numbers
      : checked(
          onnx,
          numbers,
          'double',
          onnx.node('Or', [isAbsent, onnx.node('GreaterOrEqual', [numbers, zero])]),
          `${field}: weights of at least 0 for mean pooling`,
        );
  const ranks = onnx.node('Where', [isOut, onnx.number(-Infinity, 'double'), itemWeights]);
  return heaviest(
    onnx,
    {
      rows: onnx.node('Where', [isOut, onnx.number(0, 'int64'), rows]),
      weights: onnx.node('Where', [isOut, zero, itemWeights]),
      ranks,
    },
    form,
  );
}

/** Emits the selected items with their weights. */
function heaviest(
  onnx: OnnxGraph,
  { rows, weights, ranks }: { readonly rows: string; readonly weights: string; readonly ranks: string },
  { maxItems }: BagForm,
): ReturnType<FieldValues['bag']> {
  const toFloat = (x: string): string => onnx.node('Cast', [x], { to: ELEMENT_TYPES.float });
  if (maxItems === undefined) return { ids: rows, inputs: paddedBag(onnx, toFloat(weights)) };
  const length = onnx.node('Slice', [onnx.node('Shape', [weights]), onnx.ints(1), onnx.ints(2)]);
  // Ties: first item.
  const [, indices] = onnx.nodeOf(
    undefined,
    'TopK',
    [ranks, onnx.node('Min', [length, onnx.ints(maxItems)])],
    { axis: 1 },
    2,
  );
  const selectItems = (x: string): string => onnx.node('GatherElements', [x, indices!], { axis: 1 });
  return { ids: selectItems(rows), inputs: paddedBag(onnx, toFloat(selectItems(weights))) };
}
