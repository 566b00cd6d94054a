import { tableTensor } from '../../src/engines/engine.js';
import type { ExportedModel } from '../../src/export/model.js';
import { encodedFields, featureTypes, createFields, computeLayout } from '../../src/features/feature-types.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';

/** Strings that are difficult for text formats. */
export const TOKENS = ['a', ' b\t', 'c\nd', 'e\\t', '"f"', '', 'ü 漢', '\u2028'];

/** A model with two tables, one of tokens that a bag shares and one of ids; embeddings encode their row numbers. */
export function exportedTables(tokens: readonly string[] = TOKENS, names = ['word', 'id/Ä']): ExportedModel {
  const [word, id] = names as [string, string];
  const groups = [
    { type: 'categorical', fields: [word], encoding: 'tokens', width: 2 },
    { type: 'bag', fields: ['words'], table: word, encoding: 'tokens', width: 2 },
    { type: 'categorical', fields: [id], width: 1 },
  ].map((group) => featureTypes.schema.parse(group));
  const fields = encodedFields(createFields(groups), {
    [word]: { vocabulary: createTextTable(textsFrom(tokens)) },
    [id]: { size: 3 },
  });
  const layout = computeLayout(fields);
  const weights = new Map(
    layout.tables.map(({ name, rows, width }) => [
      tableTensor(name),
      { shape: [rows, width], data: Float32Array.from({ length: rows * width }, (_, i) => (i - 1) / 3) },
    ]),
  );
  const about = { version: '1', model: 'test', step: 2, checkpoint: 'ab' };
  return {
    about,
    graph: { values: [], parameters: [], predictions: new Map(), terms: [] },
    layout,
    fields,
    outputs: [],
    weights,
  };
}
