import type { GraphBuilder } from '../graph/builder.js';
import { sliceColumns, type Features, type InputField } from '../graph/features.js';
import type { Attention } from '../graph/graph.js';
import type { Value } from '../graph/operations.js';
import type { SequenceField } from '../sequences/encoder.js';
import { encoders } from '../sequences/encoders.js';
import { findItemField, type SequenceColumn, type SequenceLayout } from '../sequences/layout.js';

/** Features, and the features of sequences. */
interface EncodedFeatures extends Features {
  readonly attention: readonly Attention[];
}

/**
 * Adds a field per sequence to the features, after all others: the outputs of its encoders, concatenated.
 * @param features the features of the whole config, which include all targets; undefined if it has sequences only
 */
export function encodeSequences(
  g: GraphBuilder,
  sequences: readonly SequenceLayout[],
  features: Features | undefined,
): EncodedFeatures {
  if (features !== undefined && sequences.length === 0) return { ...features, attention: [] };
  const encoded = sequences.map((sequence) => encodeSequence(g, sequence, features));
  const outputs = encoded.map(({ output }) => output);
  let offset = features?.input.width ?? 0;
  const fields = sequences.map(({ name, group }, s): InputField => {
    const { width } = outputs[s]!;
    offset += width;
    return { field: name, group, offset: offset - width, width, kind: 'sequence' };
  });
  const parts = features === undefined ? outputs : [features.input, ...outputs];
  return {
    input: g.concat(parts),
    fields: [...(features?.fields ?? []), ...fields],
    attention: encoded.flatMap(({ attention }) => attention),
  };
}

function encodeSequence(
  g: GraphBuilder,
  sequence: SequenceLayout,
  features: Features | undefined,
): { readonly output: Value; readonly attention: readonly Attention[] } {
  const { name, isWeighted, maxItems } = sequence;
  const domain = findItemField(sequence.fields[0]!);
  const ages = sequence.fields.find((column) => column.kind === 'number' && column.areAges === true);
  const fields = sequence.fields
    .filter((column) => column !== ages)
    .map((column): SequenceField => ({
      field: column.field,
      items: readItems(g, column, domain),
      target: column.target === undefined ? undefined : findTarget(g, column.target, features!),
    }));
  const weights = isWeighted === true ? g.input({ kind: 'factors', field: domain, pooling: 'mean' }, 1) : undefined;
  const context = { domain, fields, ages: ages && readItems(g, ages, domain), weights, maxItems };
  const encoded = sequence.encoders.map((spec, i) => {
    const encoder = sequence.encoders.length === 1 ? spec.name : `${i}.${spec.name}`;
    return { encoder, ...encoders.build(spec, { ...context, g: g.within(`${name}.${encoder}`) }) };
  });
  const attention = encoded.flatMap((each) =>
    each.weights === undefined
      ? []
      : [{ sequence: sequence.name, encoder: each.encoder, weights: each.weights, positions: each.positions }],
  );
  return { output: g.concat(encoded.map(({ output }) => output)), attention };
}

function readItems(g: GraphBuilder, column: SequenceColumn, domain: string): Value {
  const { field, width } = column;
  if (column.kind === 'id' && column.nested !== undefined) {
    const { table, nested } = column;
    const { pooling, counts } = nested;
    const values = { field, parent: { field: domain, counts } };
    const factors = g.input({ kind: 'factors', pooling, ...values }, 1);
    return g.segmentPool(g.input({ kind: 'items', table, ...values }, width), 'sum', factors);
  }
  const item = { field, ...(field !== domain && { alignedWith: domain }) };
  return column.kind === 'id'
    ? g.input({ kind: 'items', table: column.table, ...item }, width)
    : g.input({ kind: 'factors', pooling: 'sum', ...item }, 1);
}

function findTarget(g: GraphBuilder, name: string, { input, fields }: Features): Value {
  const { offset, width } = fields.find(({ field }) => field === name)!;
  return sliceColumns(g, input, offset, width);
}
