import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { inputOption, selectGroups, type Features } from '../graph/features.js';
import { block, mlp, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';

const gateOptions = z.strictObject({
  input: inputOption('the gate reads; default: none, so that its factors are the same for all rows'),
  hidden: mlpOptions.shape.hidden.default([64]),
});
type GateOptions = z.output<typeof gateOptions>;

const streamOptions = (position: string) =>
  mlpOptions
    .extend({
      hidden: mlpOptions.shape.hidden.min(1).default([64, 64, 64]).describe('Layer widths, input side first'),
      gate: gateOptions.prefault({}).describe("Gate on the stream's features"),
    })
    .prefault({})
    .describe(`Layers of the ${position} stream`);

/**
 * FinalMLP (Mao et al. 2023, https://arxiv.org/abs/2304.00902): two MLPs, each on its own selection of the features,
 * and products of their outputs. A stream's features are scaled by gates between 0 and 2, 2 σ(MLP(context)), where the
 * context is some groups of features, or a constant (section 3.2). The streams o₁ and o₂ are fused by o₁ᵀ W o₂ in
 * `heads` blocks of columns (section 3.3).
 *
 * The result is [o₁, o₂, (W o₁) ⊙ o₂], from which a linear layer computes the paper's w₁ᵀ o₁ + w₂ᵀ o₂ + o₁ᵀ W o₂, and
 * any tower more: set `tower: { hidden: [] }` for the paper's model. Equations as in the authors' code,
 * https://github.com/reczoo/FuxiCTR (`model_zoo/FinalMLP`), which embeds numbers; here they are read as they are.
 */
export const finalmlp = defineBottom({
  name: 'finalmlp',
  summary: 'FinalMLP: two MLPs on gated features, and products of their outputs',
  options: () => ({
    first: streamOptions('first'),
    second: streamOptions('second'),
    featureSelection: z.boolean().default(true).describe('Whether a gate scales the features of each stream'),
    heads: z.int().min(1).max(1024).default(1).describe('Number of blocks in which the streams are multiplied'),
  }),

  *check({ heads, ...streams }) {
    for (const stream of ['first', 'second'] as const)
      if (streams[stream].hidden.at(-1)! % heads !== 0)
        yield {
          path: [stream, 'hidden'],
          message: `the last width is ${streams[stream].hidden.at(-1)!}; expected a multiple of heads, ${heads}`,
        };
  },

  build({ first, second, featureSelection, heads }, { g, tasks, ...features }) {
    const [o1, o2] = (
      [
        [first, 'first'],
        [second, 'second'],
      ] as const
    ).map(([{ gate, ...layers }, name]) => {
      const { input } = features;
      const selected = featureSelection ? g.multiply(input, factors(g, features, gate, `${name}.gate`)) : input;
      return mlp(g, selected, layers, name);
    }) as [Value, Value];
    const part = (x: Value, head: number): Value =>
      heads === 1 ? x : g.slice(x, (head * x.width) / heads, x.width / heads);
    const products = Array.from({ length: heads }, (_, head): Value =>
      g.multiply(g.linear(part(o1, head), o2.width / heads, `fusion.${head}`, { bias: false }), part(o2, head)),
    );
    return { outputs: forAllTasks(tasks, g.concat([o1, o2, ...products])) };
  },
});

/** Builds the factors of a stream's features, from 0 to 2. */
function factors(g: GraphBuilder, features: Features, { input, hidden }: GateOptions, name: string): Value {
  const context =
    input === undefined ? g.affine(g.slice(features.input, 0, 1), 0, 1) : selectGroups(g, features, input).input;
  const layers = { hidden, activation: 'relu', dropout: 0, batchNorm: false } as const;
  const last = { ...layers, activation: 'sigmoid' } as const;
  return g.affine(block(g, mlp(g, context, layers, name), features.input.width, last, `${name}.factors`), 2, 0);
}
