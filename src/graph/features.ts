import { z } from 'zod';
import type { GraphBuilder } from './builder.js';
import type { Value } from './operations.js';

/** Which columns of a value are a field's: its embedding, its number or its numbers. */
export interface InputField {
  readonly field: string;
  /** The group of the YAML that it stands in; none where there is no config. */
  readonly group?: string | undefined;
  readonly offset: number;
  readonly width: number;
  /** Ids and bags have embeddings; numbers and vectors are as they come. */
  readonly kind: 'id' | 'bag' | 'number' | 'vector';
}

/** Features side by side, and which columns are whose: all of them, or those that a part of a model is given. */
export interface Features {
  readonly input: Value;
  /** In the order of their columns, which they fill. */
  readonly fields: readonly InputField[];
  /** Those of the whole config, where these are some of them. */
  readonly all?: Features;
}

/**
 * The key `input` of whatever reads features: groups of the YAML. `inputsOf` finds it by its name, so nothing else may
 * be called so.
 */
export function inputOption(reader: string) {
  return z.array(z.string()).min(1).optional().describe(`Feature groups that ${reader}`);
}

/**
 * The features of some groups, in the order of the config.
 * @param features what is read where no groups are named; those of groups may be others, from anywhere in the config
 */
export function ofGroups(g: GraphBuilder, features: Features, groups: readonly string[] | undefined): Features {
  if (groups === undefined) return features;
  const all = features.all ?? features;
  const fields = all.fields.filter(({ group }) => group !== undefined && groups.includes(group));
  return { ...picked(g, all.input, fields), all };
}

/**
 * One of several parts of every embedding, with numbers and vectors whole: what a model reads that asked for parts
 * (`embeddingParts`), as for embeddings of each task's own.
 */
export function embeddingPart(g: GraphBuilder, { input, fields }: Features, part: number, parts: number): Features {
  const own = fields.map((field): InputField => {
    if (!hasEmbedding(field)) return field;
    const width = field.width / parts;
    return { ...field, offset: field.offset + part * width, width };
  });
  return picked(g, input, own);
}

/** The numbers and vectors among features, side by side; undefined where there are none. */
export function withoutEmbeddings(g: GraphBuilder, { input, fields }: Features): Value | undefined {
  const numbers = fields.filter((field) => !hasEmbedding(field));
  return numbers.length === 0 ? undefined : picked(g, input, numbers).input;
}

/** The columns of each field as a value of its own, in their order: what a model looks at that multiplies fields. */
export function fieldValues(g: GraphBuilder, { input, fields }: Features): readonly Value[] {
  return fields.map(({ offset, width }) => columns(g, input, offset, width));
}

/** Whether a field has an embedding. */
export function hasEmbedding({ kind }: Pick<InputField, 'kind'>): boolean {
  return kind === 'id' || kind === 'bag';
}

/** The lists of groups in the options of a model, wherever a part of it has the key `input`, with the path of each. */
export function* inputsOf(
  options: unknown,
  path: readonly string[] = [],
): Generator<{ readonly path: readonly string[]; readonly groups: readonly string[] }> {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return;
  for (const [key, value] of Object.entries(options)) {
    if (key === 'input' && Array.isArray(value)) yield { path: [...path, key], groups: value as readonly string[] };
    else yield* inputsOf(value, [...path, key]);
  }
}

/** Columns of a value side by side; those that lie side by side already are taken together. */
function picked(g: GraphBuilder, input: Value, wanted: readonly InputField[]): Features {
  const runs: { begin: number; width: number }[] = [];
  const fields: InputField[] = [];
  let offset = 0;
  for (const field of wanted) {
    const run = runs.at(-1);
    if (run !== undefined && run.begin + run.width === field.offset) run.width += field.width;
    else runs.push({ begin: field.offset, width: field.width });
    fields.push({ ...field, offset });
    offset += field.width;
  }
  const values = runs.map(({ begin, width }) => columns(g, input, begin, width));
  return { input: values.length === 1 ? values[0]! : g.concat(values), fields };
}

function columns(g: GraphBuilder, x: Value, begin: number, width: number): Value {
  return begin === 0 && width === x.width ? x : g.slice(x, begin, width);
}
