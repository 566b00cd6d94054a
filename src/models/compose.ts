import type { GraphBuilder } from '../graph/builder.js';
import type { Features, InputField } from '../graph/features.js';
import type { Value } from '../graph/operations.js';

/** How the looked-up columns of a field become an embedding. */
export type Composition =
  | { readonly kind: 'project'; readonly width: number }
  | FourierEmbedding
  | { readonly kind: 'multiply'; readonly field: string }
  | { readonly kind: 'add'; readonly field: string; readonly isProjected?: true };

/** A number as a layer of sines and cosines. */
interface FourierEmbedding {
  readonly kind: 'fourier';
  readonly width: number;
  readonly numFrequencies: number;
  /** Initial standard deviation of the frequencies. */
  readonly sigma: number;
}

/** A looked-up field, which may be a part of an embedding. */
type LookedUpPart = InputField & { readonly composition?: Composition | undefined };

/**
 * Computes the embeddings of compressed tables from their lookups: projects narrow ones, and merges the embeddings of
 * several tables, some of them projected, into the field that they belong to. A factor is 1 plus its lookup. Computes
 * periodic embeddings of numbers.
 * @param parts embeddings per field, each with a projection of its own
 */
export function composeEmbeddings(
  g: GraphBuilder,
  input: Value,
  fields: readonly LookedUpPart[],
  parts: number,
): Features {
  if (fields.every(({ composition }) => composition === undefined)) return { input, fields };
  const composed = new Map<string, { readonly field: InputField; readonly value: Value }>();
  for (const { composition, ...field } of fields) {
    const value = g.slice(input, field.offset, field.width);
    if (composition === undefined) composed.set(field.field, { field, value });
    else if (composition.kind === 'project') {
      const width = composition.width * parts;
      composed.set(field.field, { field: { ...field, width }, value: project(g, value, field.field, width, parts) });
    } else if (composition.kind === 'fourier') {
      const embedding = embedByFourier(g, value, field.field, composition, parts);
      composed.set(field.field, { field: { ...field, kind: 'embedding', width: embedding.width }, value: embedding });
    } else {
      const { field: owner, value: base } = composed.get(composition.field)!;
      const isProjected = composition.kind === 'add' && composition.isProjected === true;
      const part = isProjected ? project(g, value, field.field, base.width, parts) : value;
      const merged = composition.kind === 'add' ? g.add(base, part) : g.multiply(base, g.affine(part, 1, 1));
      composed.set(owner.field, { field: owner, value: merged });
    }
  }
  let offset = 0;
  const placed = [...composed.values()].map(({ field }): InputField => {
    offset += field.width;
    return { ...field, offset: offset - field.width };
  });
  return {
    input: g.concat([...composed.values()].map(({ value }) => value)),
    fields: placed,
  };
}

function project(g: GraphBuilder, value: Value, field: string, width: number, parts: number): Value {
  const own = value.width / parts;
  const projected = Array.from({ length: parts }, (_, part) => {
    const name = parts === 1 ? `${field}.projection` : `${field}.projection.${part}`;
    return g.linear(parts === 1 ? value : g.slice(value, part * own, own), width / parts, name, { bias: false });
  });
  return g.concat(projected);
}

/**
 * Embeds a number x by ReLU(Linear([sin v, cos v])) with v = 2πcx and trained frequencies c, "PLR" of Gorishniy et al.
 * 2022 (https://arxiv.org/abs/2203.05556, section 3.3).
 */
function embedByFourier(
  g: GraphBuilder,
  x: Value,
  field: string,
  { width, numFrequencies, sigma }: FourierEmbedding,
  parts: number,
): Value {
  const firstWeight = { kind: 'normal', standardDeviation: sigma } as const;
  const turns = g.linear(x, numFrequencies, `${field}.frequencies`, { bias: false, firstWeight });
  const waves = g.concat([g.map(turns, 'sin2Pi'), g.map(turns, 'cos2Pi')]);
  return g.activation(g.linear(waves, width * parts, `${field}.embedding`), 'relu', `${field}.activation`);
}
