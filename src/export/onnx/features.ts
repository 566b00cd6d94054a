import type { InputLayout } from '../../tables/layout.js';
import { BAG_FORMS, BATCH, type BagForm } from './bags.js';
import type { OnnxGraph } from './onnx-graph.js';
import type { Lookup } from './tables.js';

/** Where the ids and the numbers of fields come from. */
export interface Cells {
  /**
   * Ids of a field, as int64.
   * @param name of the input
   */
  ids(field: string, name: string, shape: readonly string[]): string;
  /** Numbers of a field, as float. */
  numbers(field: string): string;
}

/** Cells that whoever calls has encoded. */
export function encodedCells(onnx: OnnxGraph): Cells {
  return {
    ids: (_, name, shape) => onnx.input({ name, type: 'int64', shape }),
    numbers: (field) => onnx.input({ name: field, type: 'float', shape: [BATCH] }),
  };
}

/** The model's input, `[batch, width]`: the embeddings and numbers of all fields side by side. */
export function emitFeatures(onnx: OnnxGraph, { columns }: InputLayout, lookup: Lookup, cells: Cells, bagForm: BagForm): string {
  const form = BAG_FORMS[bagForm];
  const parts = columns.map((column): string => {
    const { field, kind } = column;
    if (kind === 'number') return onnx.node('Unsqueeze', [cells.numbers(field), onnx.ints(1)]);
    if (kind === 'id') return lookup(column.table, cells.ids(field, field, [BATCH]));
    const ids = cells.ids(field, `${field}.ids`, form.shape(field));
    return form.inputs(onnx, field).pool(lookup(column.table, ids), column.pooling);
  });
  return onnx.node('Concat', parts, { axis: 1 });
}

/** The names that inputs of a layout may have. */
export function inputNames({ columns }: InputLayout): readonly string[] {
  return columns.flatMap(({ field, kind }) => (kind === 'bag' ? [`${field}.ids`, `${field}.weights`, `${field}.offsets`] : [field]));
}
