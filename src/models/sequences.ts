import type { GraphBuilder } from '../graph/builder.js';
import { columnsOf, type Features, type InputField } from '../graph/features.js';
import type { Value } from '../graph/operations.js';
import type { SequenceField } from '../sequences/encoder.js';
import { encoders } from '../sequences/encoders.js';
import type { SequenceColumn, SequenceLayout } from '../sequences/layout.js';

/**
 * Adds a field per sequence to the features, after all others: the outputs of its encoders, concatenated.
 * @param features those of the whole config, which include all targets; undefined if it has sequences only
 */
export function encodeSequences(
  g: GraphBuilder,
  sequences: readonly SequenceLayout[],
  features: Features | undefined,
): Features {
  if (features !== undefined && sequences.length === 0) return features;
  const outputs = sequences.map((sequence) => encodeSequence(g, sequence, features));
  let offset = features?.input.width ?? 0;
  const fields = sequences.map(({ name, group }, s): InputField => {
    const { width } = outputs[s]!;
    offset += width;
    return { field: name, group, offset: offset - width, width, kind: 'sequence' };
  });
  const parts = features === undefined ? outputs : [features.input, ...outputs];
  return { input: g.concat(parts), fields: [...(features?.fields ?? []), ...fields] };
}

function encodeSequence(g: GraphBuilder, sequence: SequenceLayout, features: Features | undefined): Value {
  const domain = sequence.fields[0]!.field;
  const ages = sequence.fields.find((column) => column.kind === 'number' && column.areAges === true);
  const fields = sequence.fields
    .filter((column) => column !== ages)
    .map((column): SequenceField => ({
      field: column.field,
      items: readItems(g, column, domain),
      target: column.target === undefined ? undefined : findTarget(g, column.target, features!),
    }));
  const weights =
    sequence.isWeighted === true ? g.input({ kind: 'factors', field: domain, pooling: 'mean' }, 1) : undefined;
  const outputs = sequence.encoders.map((spec, i) => {
    const part = sequence.encoders.length === 1 ? spec.name : `${i}.${spec.name}`;
    const context = {
      domain,
      fields,
      ages: ages && readItems(g, ages, domain),
      weights,
      maxItems: sequence.maxItems,
    };
    return encoders.build(spec, { ...context, g: g.within(`${sequence.name}.${part}`) });
  });
  return g.concat(outputs);
}

function readItems(g: GraphBuilder, column: SequenceColumn, domain: string): Value {
  const { field, width } = column;
  const item = { field, ...(field !== domain && { alignedWith: domain }) };
  return column.kind === 'id'
    ? g.input({ kind: 'items', table: column.table, ...item }, width)
    : g.input({ kind: 'factors', pooling: 'sum', ...item }, 1);
}

function findTarget(g: GraphBuilder, name: string, { input, fields }: Features): Value {
  const { offset, width } = fields.find(({ field }) => field === name)!;
  return columnsOf(g, input, offset, width);
}
