import type { Space } from '../evaluation/spaces.js';
import type { EncodedField } from '../features/feature-types.js';
import type { Graph } from '../graph/graph.js';
import type { InputLayout } from '../tables/layout.js';
import type { HostTensor } from '../tensor.js';

/** A trained model, with all that leaves the house with it. */
export interface ExportedModel {
  readonly about: About;
  readonly graph: Graph;
  readonly layout: InputLayout;
  readonly fields: readonly EncodedField[];
  readonly spaces: readonly Space[];
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

/** A tensor of a model, which is there: a checkpoint that is not whole was refused when it was read. */
export function weightsOf({ weights }: Pick<ExportedModel, 'weights'>, name: string): HostTensor {
  const tensor = weights.get(name);
  if (tensor === undefined) throw new Error(`the model has no tensor '${name}'`);
  return tensor;
}

/** The fields of a model's input as plain data, in the order of the input: what whoever feeds it must know. */
export function describeFields({ fields, layout }: Pick<ExportedModel, 'fields' | 'layout'>): readonly object[] {
  return fields.map(({ columns, encodedAs }, i) => {
    const { field, ...place } = layout.columns[i]!;
    const rows = 'table' in place ? { rows: layout.tables.find((table) => table.name === place.table)!.rows } : {};
    return { name: field, columns, encodedAs, ...place, ...rows };
  });
}
