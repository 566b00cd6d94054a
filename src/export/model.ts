import { listPredictedOutputs, type Output } from '../evaluation/outputs.js';
import { ruleInJson } from '../features/cell-rule.js';
import type { EncodedField } from '../features/feature.js';
import type { Graph } from '../graph/graph.js';
import { findItemField, type SequenceColumn } from '../sequences/layout.js';
import type { InputLayout } from '../tables/layout.js';
import type { HostTensor } from '../core/tensor.js';

/** A trained model with everything to export. */
export interface ExportedModel {
  readonly about: About;
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly fields: readonly EncodedField[];
  /** Decimal separator of strings; default: dot. */
  readonly decimal?: ',' | '.' | undefined;
  readonly outputs: readonly Output[];
  /** Graph parameters and tables (`tableTensor`) by name. */
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/** Provenance of a model. */
export interface About {
  /** Version of this package. */
  readonly version: string;
  /** Name of the model in the config. */
  readonly model: string;
  /** Number of optimizer steps. */
  readonly step: number;
  /** SHA-256 of the checkpoint's manifest, which contains the hashes of all its files. */
  readonly checkpoint: string;
}

/** Returns a tensor of a model, which exists: an incomplete checkpoint is rejected when it is read. */
export function getWeights({ weights }: Pick<ExportedModel, 'weights'>, name: string): HostTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`the model has no tensor '${name}'`);
  return tensor;
}

/** Describes the fields of a model as plain data, in config order, for callers that feed it. */
function describeFields({ fields, layout }: Pick<ExportedModel, 'fields' | 'layout'>): readonly object[] {
  return fields.map((encoded) => {
    const { name, columns, computed, encodedAs, rule } = encoded;
    const source = layout.columns.find(({ field }) => field === name) ?? describeItems(name, layout);
    const wide = layout.columns.find((each) => each.isWide === true && each.field === name);
    const rows = 'table' in source ? { rows: layout.tables.find((table) => table.name === source.table)!.rows } : {};
    return {
      name,
      columns,
      encodedAs,
      ...source,
      field: undefined,
      ...rows,
      ...(wide !== undefined &&
        'table' in wide && { wide: { table: wide.table, offset: wide.offset, width: wide.width } }),
      ...(computed && { computed: computed.meaning }),
      ...(computed?.items && { lists: computed.items.lists.columns, selection: computed.items.lists.selection }),
      ...(rule && { rule: ruleInJson(rule) }),
      ...(encoded.kind === 'bag' && { form: encoded.form }),
    };
  });
}

/** Describes a field of a sequence, and the field whose offsets it shares. */
function describeItems(name: string, { sequences = [] }: InputLayout) {
  const isOf = (column: SequenceColumn): boolean => column.field === name || findItemField(column) === name;
  const { name: of, maxItems, fields } = sequences.find((each) => each.fields.some(isOf))!;
  const { kind, ...column } = fields.find(isOf)!;
  const sequence = { name: of, offsets: findItemField(fields[0]!), maxItems };
  // The number of values of each item.
  if (column.field !== name) return { width: 1, kind: 'itemNumber', countsOf: column.field, sequence };
  return { ...column, kind: kind === 'id' ? 'item' : 'itemNumber', sequence };
}

/**
 * Returns the metadata of exported tensors as strings by name.
 * @param outputOf name of a prediction in the exported model
 */
export function modelMetadata(
  model: ExportedModel,
  outputOf?: (output: string) => string,
): Readonly<Record<string, string>> {
  const { about, outputs } = model;
  const predictions = listPredictedOutputs(outputs).map(({ name, type, factors, calibrator }) => ({
    name,
    ...(outputOf && { output: outputOf(name) }),
    type,
    factors,
    ...(calibrator && { calibrator }),
  }));
  return {
    'mtl.version': about.version,
    'mtl.model': about.model,
    'mtl.step': String(about.step),
    'mtl.checkpoint': about.checkpoint,
    'mtl.features': JSON.stringify(describeFields(model)),
    'mtl.predictions': JSON.stringify(predictions),
  };
}
