import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { mlp, mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';

const STRUCTURES = ['stacked', 'parallel'] as const;
export type Structure = (typeof STRUCTURES)[number];

/** The layers that stand with what multiplies features, and where: on it, or beside it on the features. */
export function deepPartOptions(structure: Structure) {
  return {
    structure: z
      .enum(STRUCTURES)
      .default(structure)
      .describe('Position of the deep layers: stacked on the interaction layers, or parallel to them'),
    deep: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.default([64]) })
      .prefault({})
      .describe('Deep layers; none if hidden is []'),
  };
}

/**
 * What towers stand on: deep layers on the products of features, or the products and what deep layers make of the
 * features, side by side.
 */
export function withDeepPart(
  g: GraphBuilder,
  input: Value,
  products: Value,
  { structure, deep }: { readonly structure: Structure; readonly deep: MlpOptions },
): Value {
  return structure === 'stacked' ? mlp(g, products, deep, 'deep') : g.concat([products, mlp(g, input, deep, 'deep')]);
}
