import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import type { SequenceContext } from './encoder.js';
import { findPositions, listSideInputs, normEmbedding, positionOption } from './item-inputs.js';

/** Options of encoders with a recurrent unit over the items. */
export const recurrentOptions = {
  width: z
    .int()
    .min(8)
    .max(1024)
    .multipleOf(8, { error: ({ input }) => `width is ${String(input)}; expected a multiple of 8` })
    .default(32)
    .describe('Width of the state, a multiple of 8'),
  position: positionOption('the unit reads'),
};
type RecurrentOptions = z.output<z.ZodObject<typeof recurrentOptions>>;

/**
 * Computes the state of a gated recurrent unit after each item, oldest to newest. The unit reads the items through a
 * layer norm per embedding, and what other encoders read besides.
 */
export function buildStates(context: SequenceContext, { width, position }: RecurrentOptions, name: string): Value {
  const { g, fields } = context;
  const items = fields.map(({ field, items: own }) => normEmbedding(g, own, `norms.${field}`));
  return buildUnit(g, g.concat([...items, ...listSideInputs(context, position)]), width, name);
}

/**
 * Adds a gated recurrent unit with a linear layer of its inputs.
 * @param attention factor of the update by each item; default: 1
 */
export function buildUnit(g: GraphBuilder, x: Value, width: number, name: string, attention?: Value): Value {
  return g.segmentGru(g.linear(x, 3 * width, `${name}.inputs`), name, attention);
}

/** Returns the value of the newest item of each row; 0 without items. */
export function selectNewest({ g, ...own }: SequenceContext, items: Value): Value {
  // 1 for position 0, and 0 for the positions of older items.
  const isNewest = g.clip(g.affine(findPositions(g, own), -1, 1), 0, 1);
  return g.segmentPool(items, 'sum', isNewest);
}
