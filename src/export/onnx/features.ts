import type { ParentItems } from '../../graph/domain.js';
import type { PooledItems } from '../../graph/lookups.js';
import type { ItemSource } from '../../graph/operations.js';
import type { SequenceColumn } from '../../sequences/layout.js';
import type { InputLayout } from '../../tables/layout.js';
import { BAG_FORMS, itemFactors, offsetBag, type BagForm, type BagInputs } from './bags.js';
import { BATCH, itemRows } from './items.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';
import type { Lookup } from './tables.js';

/** Sources of field values. */
export interface FieldValues {
  /** Returns ids as int64, one per row. */
  ids(field: string): string;
  /** Returns numbers as float32, one per row. */
  numbers(field: string): string;
  /** Returns item ids as int64, and their pooling. */
  bag(field: string): { readonly ids: string; readonly inputs: BagInputs };
  /** Returns vectors as float32, `[batch, width]`. */
  vectors(field: string, width: number): string;
}

/** Creates inputs for ids and numbers that the caller has encoded. */
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

/** Emits the columns `begin` to `end` of a layout, which have no bags: embeddings, numbers and vectors of fields. */
export function emitFeatures(
  onnx: OnnxGraph,
  { columns }: InputLayout,
  begin: number,
  end: number,
  lookup: Lookup,
  values: FieldValues,
): string {
  const parts = columns
    .filter(({ offset }) => offset >= begin && offset < end)
    .map((column): string => {
      const { field, kind } = column;
      if (kind === 'number') return onnx.node('Unsqueeze', [values.numbers(field), onnx.ints(1)]);
      if (kind === 'vector') return values.vectors(field, column.width);
      return lookup(column.table, values.ids(field));
    });
  return parts.length === 1 ? parts[0]! : onnx.node('Concat', parts, { axis: 1 });
}

/** Emits the pooled values of items, which the caller has encoded; their weights are 1. */
export function emitPooledValues(
  onnx: OnnxGraph,
  { field, table, pooling }: PooledItems,
  { field: parent }: ParentItems,
  lookup: Lookup,
): string {
  const ids = onnx.input({ name: `${field}.ids`, type: 'int64', shape: [`values of ${field}`] });
  const rows = itemRows(onnx, field, parent);
  const weights = onnx.node('Expand', [onnx.number(1, 'float'), rows.numItems]);
  return offsetBag(onnx, weights, rows).pool(lookup(table, ids), pooling);
}

/** Emits the pooled items of a field. */
export function emitPooled(
  onnx: OnnxGraph,
  { columns }: InputLayout,
  { field, table, pooling }: PooledItems,
  lookup: Lookup,
  values: FieldValues,
): string {
  if (columns.some((each) => each.kind === 'bag' && each.field === field && each.isBetweenRows === true))
    return emitBetweenRows(onnx, values.numbers(field), (ids) => lookup(table, ids));
  const { ids, inputs } = values.bag(field);
  return inputs.pool(lookup(table, ids), pooling);
}

/** Emits the embeddings of the items of a sequence, or their factors, which the caller has encoded. */
export function emitItems(onnx: OnnxGraph, { sequences }: InputLayout, source: ItemSource, lookup: Lookup): string {
  const { field, alignedWith = field } = source;
  const shape = [`items of ${alignedWith}`];
  if (source.kind === 'items') return lookup(source.table, onnx.input({ name: `${field}.ids`, type: 'int64', shape }));
  const { kind } = sequences!.flatMap(({ fields }) => fields).find((each) => each.field === field)!;
  const weights = onnx.input({ name: `${field}.${kind === 'id' ? 'weights' : 'values'}`, type: 'float', shape });
  return onnx.node('Unsqueeze', [
    itemFactors(onnx, weights, source.pooling, itemRows(onnx, alignedWith)),
    onnx.ints(1),
  ]);
}

/** Emits the linear interpolation of the two rows around each number. */
function emitBetweenRows(onnx: OnnxGraph, positions: string, lookUpRows: (ids: string) => string): string {
  const below = onnx.node('Floor', [positions]);
  const share = onnx.node('Unsqueeze', [onnx.node('Sub', [positions, below]), onnx.ints(1)]);
  const row = (position: string): string => lookUpRows(onnx.node('Cast', [position], { to: ELEMENT_TYPES.int64 }));
  return onnx.node('Add', [
    onnx.node('Mul', [row(below), onnx.node('Sub', [onnx.number(1, 'float'), share])]),
    onnx.node('Mul', [row(onnx.node('Ceil', [positions])), share]),
  ]);
}

/** Returns the possible names of a layout's inputs. */
export function inputNames({ columns, sequences = [] }: InputLayout): readonly string[] {
  return [
    ...columns.flatMap((each) =>
      each.kind === 'bag' && each.isBetweenRows !== true
        ? [`${each.field}.ids`, `${each.field}.weights`, `${each.field}.offsets`]
        : [each.field],
    ),
    ...sequences.flatMap(({ fields }) => fields.flatMap(listItemInputs)),
  ];
}

/** Returns the possible names of the inputs of a sequence's field. */
function listItemInputs(column: SequenceColumn): readonly string[] {
  const { field, kind } = column;
  if (kind === 'id' && column.nested !== undefined)
    return [`${column.nested.counts}.offsets`, `${field}.offsets`, `${field}.ids`];
  return [`${field}.offsets`, ...(kind === 'id' ? [`${field}.ids`, `${field}.weights`] : [`${field}.values`])];
}
