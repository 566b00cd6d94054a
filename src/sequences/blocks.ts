import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import type { Value } from '../graph/operations.js';
import type { Encoded, SequenceContext } from './encoder.js';
import { listSideInputs, normEmbedding } from './item-inputs.js';
import { pooling } from './pooling.js';
import { targetAttention } from './target-attention.js';

/** Creates the option `readout` of encoders whose blocks give a result for each item. */
export function readoutOption() {
  return z
    .strictObject(targetAttention.options())
    .prefault({})
    .describe('Attention of the candidate to the items; unused without a target');
}

/**
 * Turns the results of blocks into columns of the batch: by target attention, which reads them as one more field
 * without a target; without targets, the result is their mean.
 */
export function readOut(
  context: SequenceContext,
  items: Value,
  options: Parameters<typeof targetAttention.build>[0],
): Encoded {
  const results = { field: 'results of the blocks', items, target: undefined };
  if (context.fields.every(({ target }) => target === undefined))
    return pooling.build({ of: 'mean' }, { ...context, fields: [results] });
  return targetAttention.build(options, {
    ...context,
    g: context.g.within('readout'),
    fields: [...context.fields, results],
  });
}

/** Yields a problem if heads have different widths. */
export function* checkHeads({
  width,
  heads,
}: {
  readonly width: number;
  readonly heads: number;
}): Generator<ValidationIssue> {
  if (width % heads !== 0)
    yield { path: ['width'], message: `width is ${width}; expected a multiple of heads, ${heads}` };
}

/**
 * Adds the items that blocks read: embeddings with a layer norm each and side inputs, projected to one width.
 * @param position default: true if items have no weights
 */
export function buildItems(context: SequenceContext, width: number, position: boolean | undefined): Value {
  const { g, fields } = context;
  const inputs = fields.map(({ field, items }) => normEmbedding(g, items, `norms.${field}`));
  return g.linear(g.concat([...inputs, ...listSideInputs(context, position)]), width, 'projection');
}
