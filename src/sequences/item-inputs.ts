import { z } from 'zod';
import { domainName } from '../graph/domain.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import type { SequenceContext } from './encoder.js';

/** Smallest share with a logarithm of its own. */
const MIN_SHARE = 1e-6;

/** Creates the option `position`. The order of weighted items is often arbitrary. */
export function positionOption(reader: string) {
  return z.boolean().optional().describe(`Whether ${reader} positions of items; default: true without item weights`);
}

/**
 * Lists what an encoder reads of each item besides its fields: recency if `position` is true, and the logarithm of its
 * share if items are weighted, scaled to -2.5…1.
 * @param position default: true if items have no weights
 */
export function listSideInputs(
  { g, weights, ...items }: SequenceContext,
  position: boolean = weights === undefined,
): readonly Value[] {
  return [
    ...(position ? recency(g, findPositions(g, items)) : []),
    ...(weights === undefined ? [] : [g.affine(logShares(g, weights), 0.25, 1)]),
  ];
}

/**
 * Adds functions of the position p of each item from the newest: 1 / (1 + p), which separates recent items, and
 * log(1 + p) / 4, which separates old ones. Both are between 0 and 2 for up to 2,000 items.
 */
function recency(g: GraphBuilder, position: Value): readonly Value[] {
  return [g.reciprocal(g.affine(position, 1, 1)), g.affine(g.map(position, 'log1p'), 0.25, 0)];
}

/** Returns the position of each item from the newest. */
export function findPositions(
  g: GraphBuilder,
  { domain, positions }: Pick<SequenceContext, 'domain' | 'positions'>,
): Value {
  if (positions !== undefined) return positions;
  if (typeof domain !== 'string') throw new Error(`items of ${domainName(domain)} have no positions`);
  return g.itemPosition(domain);
}

/** Adds the logarithm of each item's share; smaller shares count as 1e-6. */
export function logShares(g: GraphBuilder, shares: Value): Value {
  return g.map(g.clip(shares, MIN_SHARE, 1), 'log');
}

/** Adds a layer norm of an embedding. One or two columns are unchanged, since their norm is a constant or a sign. */
export function normEmbedding(g: GraphBuilder, x: Value, name: string): Value {
  return x.width > 2 ? g.layerNorm(x, name) : x;
}
