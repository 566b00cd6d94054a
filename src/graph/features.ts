import { z } from 'zod';
import type { GraphBuilder } from './builder.js';
import type { Value } from './operations.js';

/** Columns of a field within a value: its embedding, its number or its vector. */
export interface InputField {
  readonly field: string;
  /** Group in the config; undefined if there is no config. */
  readonly group?: string | undefined;
  readonly offset: number;
  readonly width: number;
  /**
   * `id` and `bag` have embeddings, and `embedding` is computed from a number; `number` and `vector` are used as they
   * are, and outputs of a sequence.
   */
  readonly kind: 'id' | 'bag' | 'embedding' | 'number' | 'vector' | 'sequence';
}

/** Concatenated features with the columns of each field: all features, or the selection for one component. */
export interface Features {
  readonly input: Value;
  /** In column order, without gaps. */
  readonly fields: readonly InputField[];
  /** The features of the whole config, if these are a selection. */
  readonly all?: Features;
}

/**
 * Creates the option `input`: feature groups of the config. `findInputs` finds it by its key, so no other option may be
 * called `input`.
 */
export function inputOption(reader: string) {
  return z.array(z.string()).min(1).optional().describe(`Feature groups that ${reader}`);
}

/**
 * Selects the features of some groups, in config order.
 * @param features returned as they are if `groups` is undefined; named groups are taken from `features.all`
 */
export function selectGroups(g: GraphBuilder, features: Features, groups: readonly string[] | undefined): Features {
  if (groups === undefined) return features;
  const all = features.all ?? features;
  const fields = all.fields.filter(({ group }) => group !== undefined && groups.includes(group));
  return { ...selectColumns(g, all.input, fields), all };
}

/**
 * Selects part `part` of `parts` of every embedding, and all numbers and vectors. For models that request
 * `embeddingParts`, such as embeddings per task.
 */
export function embeddingPart(g: GraphBuilder, { input, fields }: Features, part: number, parts: number): Features {
  const columnParts = fields.map((field): InputField => {
    if (!hasEmbedding(field)) return field;
    const width = field.width / parts;
    return { ...field, offset: field.offset + part * width, width };
  });
  return selectColumns(g, input, columnParts);
}

/** Selects the numbers and vectors; returns undefined if there are none. */
export function withoutEmbeddings(g: GraphBuilder, { input, fields }: Features): Value | undefined {
  const numbers = fields.filter((field) => !hasEmbedding(field));
  return numbers.length === 0 ? undefined : selectColumns(g, input, numbers).input;
}

/** Returns the columns of each field as separate values, in field order. */
export function fieldValues(g: GraphBuilder, { input, fields }: Features): readonly Value[] {
  return fields.map(({ offset, width }) => sliceColumns(g, input, offset, width));
}

/** Returns whether a field has an embedding. */
export function hasEmbedding({ kind }: Pick<InputField, 'kind'>): boolean {
  return kind === 'id' || kind === 'bag' || kind === 'embedding';
}

/** Finds every option `input` in a model's options and yields its path and groups. */
export function* findInputs(
  options: unknown,
  path: readonly string[] = [],
): Generator<{ readonly path: readonly string[]; readonly groups: readonly string[] }> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return;
  for (const [key, value] of Object.entries(options)) {
    if (key === 'input' && Array.isArray(value)) yield { path: [...path, key], groups: value as readonly string[] };
    else yield* findInputs(value, [...path, key]);
  }
}

/** Concatenates the columns of `wanted`; adjacent columns are sliced together. */
function selectColumns(g: GraphBuilder, input: Value, selection: readonly InputField[]): Features {
  const runs: { begin: number; width: number }[] = [];
  const fields: InputField[] = [];
  let offset = 0;
  for (const field of selection) {
    const run = runs.at(-1);
    if (run !== undefined && run.begin + run.width === field.offset) run.width += field.width;
    else runs.push({ begin: field.offset, width: field.width });
    fields.push({ ...field, offset });
    offset += field.width;
  }
  return { input: g.concat(runs.map(({ begin, width }) => sliceColumns(g, input, begin, width))), fields };
}

/** Returns columns `begin` to `begin + width` of a value. */
export function sliceColumns(g: GraphBuilder, x: Value, begin: number, width: number): Value {
  return begin === 0 && width === x.width ? x : g.slice(x, begin, width);
}
