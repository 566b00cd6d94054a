import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { mlp, mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';

const STRUCTURES = ['stacked', 'parallel'] as const;
export type Structure = (typeof STRUCTURES)[number];

/** Creates the options of deep layers that are stacked on feature interactions or parallel to them. */
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

/** Stacks deep layers on the products of features, or concatenates the products with deep layers on the features. */
export function withDeepPart(
  g: GraphBuilder,
  input: Value,
  products: Value,
  { structure, deep }: { readonly structure: Structure; readonly deep: MlpOptions },
): Value {
  return structure === 'stacked' ? mlp(g, products, deep, 'deep') : g.concat([products, mlp(g, input, deep, 'deep')]);
}
