import type { Type } from '../../features/expressions/functions.js';
import type { TypedExpression } from '../../features/expressions/resolve.js';
import type { Formula } from '../../features/computed-rule.js';
import type { CellOptions } from '../../features/cells.js';
import type { EncodedField, ListForm } from '../../features/feature.js';
import { checkedTexts, emitNumbers, type Cells } from './cells.js';
import { FORMULA_FUNCTIONS, missingWhere, type FormulaBag, type FormulaValue } from './formula-functions.js';
import { emitInstants } from './instants.js';
import { emitItems } from './lists.js';
import type { OnnxGraph } from './onnx-graph.js';
import type { SideTables } from './side-tables.js';

/** Values that computations read. */
export interface ComputedSources {
  readonly onnx: OnnxGraph;
  readonly sideTables: SideTables;
  /** Emits the values of a column of the data; as decimal numbers with a dot, if they are numbers. */
  readonly cells: (column: string, clean: CellOptions | undefined, areNumbers?: boolean) => Cells;
}

/** Emits the number or text of an expression for each row. */
export function emitFormula(
  { expression, form }: Formula,
  { cells: clean, tables, columns }: Pick<EncodedField, 'cells' | 'tables' | 'columns'>,
  { onnx, sideTables, cells }: ComputedSources,
): string {
  const emit = (part: TypedExpression): FormulaValue => {
    switch (part.kind) {
      case 'constant':
        return typeof part.value === 'string' ? onnx.text(part.value) : onnx.number(part.value, 'double');
      case 'column':
        return READERS[part.type](cells(part.name, clean, part.type === 'number'), form, clean);
      case 'call':
        return FORMULA_FUNCTIONS[part.name](onnx, part.args.map(emit));
      case 'lookup':
        return sideTables.emit(part, emitKeys(part.key), { tables: tables!, cells: clean ?? {}, form });
    }
  };
  /** Emits keys of side tables: one per row, also for a constant. */
  const emitKeys = (key: TypedExpression): string => {
    const keys = emit(key) as string;
    if (key.kind !== 'constant') return keys;
    const rows = onnx.node('Shape', [cells(columns[0]!, undefined).texts]);
    return onnx.node('Expand', [keys, rows]);
  };
  // The whole is a number or a text.
  return emit(expression) as string;
}

/** Emit the values of a column as a type. */
const READERS: {
  readonly [T in Type]: (cells: Cells, form: ListForm, clean: CellOptions | undefined) => FormulaValue;
} = {
  number: (cells) => missingWhere(cells.onnx, cells.isEmpty, emitNumbers(cells)),
  text: ({ texts }) => texts,
  date: emitInstants,
  bag(cells, form, clean): FormulaBag {
    const { onnx } = cells;
    const items = emitItems(cells, form, clean);
    const valid = checkedTexts(onnx, items.texts, items.isValidItem, items.validItem);
    const texts = checkedTexts(onnx, valid, items.isValidWeight, items.validWeight);
    return { texts, isItem: onnx.node('Not', [items.isOut]) };
  },
};
