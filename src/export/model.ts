import { listPredictedOutputs, type Output } from '../evaluation/outputs.js';
import { ruleInJson } from '../features/cell-rule.js';
import type { EncodedField } from '../features/feature-types.js';
import type { Graph } from '../graph/graph.js';
import type { InputLayout } from '../tables/layout.js';
import type { HostTensor } from '../core/tensor.js';

/** A trained model, with all that leaves the house with it. */
export interface ExportedModel {
  readonly about: About;
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly fields: readonly EncodedField[];
  /** What texts have before the decimals of a number; a dot where it is not given. */
  readonly decimal?: ',' | '.' | undefined;
  readonly spaces: readonly Output[];
  /** Parameters of the graph by their names, and the tables by theirs (`tableTensor`). */
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/** Where a model comes from. */
export interface About {
  /** Of this package. */
  readonly version: string;
  /** The model's name in the config. */
  readonly model: string;
  /** Optimizer steps behind its weights. */
  readonly step: number;
  /** SHA-256 of the checkpoint's manifest, which has those of all its files. */
  readonly checkpoint: string;
}

/** A tensor of a model, which is there: a checkpoint without it was refused when it was read. */
export function getWeights({ weights }: Pick<ExportedModel, 'weights'>, name: string): HostTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`the model has no tensor '${name}'`);
  return tensor;
}

/** The fields of a model's input as plain data, in the order of the input: what whoever feeds it must know. */
function describeFields({ fields, layout }: Pick<ExportedModel, 'fields' | 'layout'>): readonly object[] {
  return fields.map((encoded, i) => {
    const { columns, encodedAs, rule } = encoded;
    const { field, ...place } = layout.columns[i]!;
    const wide = layout.columns.find((each) => each.isWide === true && each.field === field);
    const rows = 'table' in place ? { rows: layout.tables.find((table) => table.name === place.table)!.rows } : {};
    return {
      name: field,
      columns,
      encodedAs,
      ...place,
      ...rows,
      ...(wide !== undefined &&
        'table' in wide && { wide: { table: wide.table, offset: wide.offset, width: wide.width } }),
      ...(rule && { rule: ruleInJson(rule) }),
      ...(encoded.kind === 'bag' && { form: encoded.form }),
    };
  });
}

/**
 * What stands beside the tensors of a model, as texts by their names.
 * @param outputOf what a prediction is called where the model is run
 */
export function modelMetadata(
  model: ExportedModel,
  outputOf?: (space: string) => string,
): Readonly<Record<string, string>> {
  const { about, spaces } = model;
  const predictions = listPredictedOutputs(spaces).map(({ name, type, factors, calibrator }) => ({
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
