import { quoted, UserError } from '../../core/errors.js';
import type { CellOptions } from '../../features/cells.js';
import { type BagForm, CELL_SEPARATOR, type EncodedField } from '../../features/feature.js';
import { paddedBag } from './bags.js';
import type { ExportedModel } from '../model.js';
import { emitRule, isOfNumbers, unwritable, type Unwritable } from './cell-rules.js';
import { checked, checkedTexts, withDots, type Cells } from './cells.js';
import { cleanedCells, isEmptyText } from './clean-cells.js';
import { emitComputed, uncomputable, type ComputedField } from './computed-values.js';
import type { FieldValues } from './features.js';
import type { ComputedSources } from './formulas.js';
import { BATCH } from './items.js';
import { emitItems } from './lists.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import { SideTables } from './side-tables.js';
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
  const vectors = new Set(fields.filter(({ kind }) => kind === 'vector').flatMap(({ columns }) => columns));
  const problems = fields.flatMap((field) => {
    const problem = whyUnwritable(field, vectors);
    const { name } = field;
    return problem === undefined ? [] : [{ where: '--with-encoders', key: `field '${name}'`, ...problem }];
  });
  if (problems.length > 0) throw new UserError('usage', problems);
  const byName = new Map(fields.map((field) => [field.name, field]));
  const readCells = (field: string, column: string, clean: CellOptions | undefined, areNumbers: boolean): Cells => {
    const written = cellsOfColumn(onnx, field, column);
    return cleanedCells(decimal === ',' && areNumbers ? withDots(written) : written, clean);
  };
  const inputCells = ({ name, columns, rule }: EncodedField): Cells => {
    const cells = columns.map((column) => readCells(name, column, rule!.clean, isOfNumbers(rule!)));
    return cells.length === 1 ? cells[0]! : joinedCells(cells);
  };
  const sources: ComputedSources = {
    onnx,
    sideTables: new SideTables(onnx),
    // Fields that read a column share its values, so errors name the column.
    cells: (column, clean, areNumbers = false) => readCells(column, column, clean, areNumbers),
  };
  const emitField = (name: string): string => {
    const field = byName.get(name)!;
    return isComputed(field) ? emitComputed(field, sources) : emitRule(field.rule!, inputCells(field));
  };
  return {
    ids: emitField,
    numbers: (name) => onnx.node('Cast', [emitField(name)], { to: ELEMENT_TYPES.float }),
    vectors(name) {
      const { columns, vector } = byName.get(name)!;
      return emitVectors(onnx, name, columns[0]!, vector!.rule);
    },
    bag(name) {
      const field = byName.get(name)!;
      if (field.kind !== 'bag') throw new Error(`'${name}' is no bag`);
      return emitBag(inputCells(field), field);
    },
  };
}

/** @param vectors columns whose input is a vector, which other fields cannot read as strings */
function whyUnwritable(field: EncodedField, vectors: ReadonlySet<string>): Unwritable | undefined {
  if (field.kind === 'vector') return undefined;
  const vector = field.columns.find((column) => vectors.has(column));
  if (vector !== undefined)
    return {
      message: `reads column ${quoted(vector)}, whose input in the model is a vector of numbers`,
      fix: 'remove --with-encoders and pass its encoded values',
    };
  if (field.kind === 'bag' && field.form.format === 'json') return IN_JSON;
  return (isComputed(field) ? uncomputable(field) : undefined) ?? unwritable(field.rule);
}

function isComputed(field: EncodedField): field is ComputedField {
  return field.computed !== undefined;
}

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
  cells: Cells,
  { form, rule }: EncodedField & { readonly kind: 'bag' },
): ReturnType<FieldValues['bag']> {
  const { onnx, field } = cells;
  const items = emitItems(cells, form, rule!.clean);
  const { isOut } = items;
  const id = emitRule({ ...rule!, empty: 0 }, { onnx, field, texts: items.texts, isEmpty: isOut });
  const rows = checked(onnx, id, 'int64', items.isValidItem, items.validItem);
  const weights = checked(onnx, items.weights, 'double', items.isValidWeight, items.validWeight);
  return heaviest(
    onnx,
    {
      rows: onnx.node('Where', [isOut, onnx.number(0, 'int64'), rows]),
      weights: onnx.node('Where', [isOut, onnx.number(0, 'double'), weights]),
      ranks: onnx.node('Where', [isOut, onnx.number(-Infinity, 'double'), weights]),
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
