import type { InputLayout } from '../../tables/layout.js';
import { BAG_FORMS, BATCH, type BagForm, type BagInputs } from './bags.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import type { Lookup } from './tables.js';

/** Where what fields hold comes from, by the names of fields. */
export interface FieldValues {
  /** Ids as int64, one a row. */
  ids(field: string): string;
  /** Numbers as float, one a row. */
  numbers(field: string): string;
  /** Ids of items as int64, and the way to pool them. */
  bag(field: string): { readonly ids: string; readonly inputs: BagInputs };
  /** Numbers of a field that has several, as float: `[batch, width]`. */
  vectors(field: string, width: number): string;
}

/** Ids and numbers that whoever calls has encoded. */
export function encodedValues(onnx: OnnxGraph, bagForm: BagForm): FieldValues {
  const { shape, inputs } = BAG_FORMS[bagForm];
  return {
    ids: (name) => onnx.input({ name, type: 'int64', shape: [BATCH] }),
    numbers: (name) => onnx.input({ name, type: 'float', shape: [BATCH] }),
    bag: (field) => ({
      ids: onnx.input({ name: `${field}.ids`, type: 'int64', shape: shape(field) }),
      inputs: inputs(onnx, field),
    }),
    vectors: (name, width) => onnx.input({ name, type: 'float', shape: [BATCH, width] }),
  };
}

/** The model's input, `[batch, width]`: the embeddings and numbers of all fields side by side. */
export function emitFeatures(onnx: OnnxGraph, { columns }: InputLayout, lookup: Lookup, values: FieldValues): string {
  const parts = columns.map((column): string => {
    const { field, kind } = column;
    if (kind === 'number') return onnx.node('Unsqueeze', [values.numbers(field), onnx.ints(1)]);
    if (kind === 'vector') return values.vectors(field, column.width);
    if (kind === 'id') return lookup(column.table, values.ids(field));
    if (column.isBetweenRows === true)
      return emitBetweenRows(onnx, values.numbers(field), (ids) => lookup(column.table, ids));
    const { ids, inputs } = values.bag(field);
    return inputs.pool(lookup(column.table, ids), column.pooling);
  });
  return onnx.node('Concat', parts, { axis: 1 });
}

/** The sum of the two rows that numbers lie between, by how near they are. */
function emitBetweenRows(onnx: OnnxGraph, places: string, rowsOf: (ids: string) => string): string {
  const below = onnx.node('Floor', [places]);
  const share = onnx.node('Unsqueeze', [onnx.node('Sub', [places, below]), onnx.ints(1)]);
  const row = (place: string): string => rowsOf(onnx.node('Cast', [place], { to: ELEMENT_TYPES.int64 }));
  return onnx.node('Add', [
    onnx.node('Mul', [row(below), onnx.node('Sub', [onnx.number(1, 'float'), share])]),
    onnx.node('Mul', [row(onnx.node('Ceil', [places])), share]),
  ]);
}

/** The names that inputs of a layout may have. */
export function inputNames({ columns }: InputLayout): readonly string[] {
  return columns.flatMap((each) =>
    each.kind === 'bag' && each.isBetweenRows !== true
      ? [`${each.field}.ids`, `${each.field}.weights`, `${each.field}.offsets`]
      : [each.field],
  );
}
