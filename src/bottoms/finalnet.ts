import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Features } from '../graph/features.js';
import { mlpOptions, type MlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { fieldEmbeddings } from './field-embeddings.js';

const RESIDUALS = ['concat', 'sum'] as const;
type Residual = (typeof RESIDUALS)[number];

const widths = z
  .array(z.int().min(2).max(65_536))
  .max(64)
  .default([64, 64, 64])
  .describe(mlpOptions.shape.hidden.description!);
const blockOptions = mlpOptions.extend({
  hidden: widths,
  activation: mlpOptions.shape.activation.default('linear'),
});

/**
 * FinalNet (Zhu et al. 2023, https://doi.org/10.1145/3539618.3591988): stacks of factorized interaction layers, which
 * replace an MLP. A layer computes a = W x + b and c = V x + d, and returns [a, a ⊙ c] (concat) or a + a ⊙ c (sum), so
 * that the degree of products doubles with each layer. Two stacks read the features. With `featureGating`, the first
 * also reads each embedding times a gate, which is linear in the same column of all embeddings.
 *
 * The result concatenates the stacks. With `distillation`, each has a tower of its own, a task's logit is the mean of
 * their logits, and each logit also learns the probability of the mean, a constant there. `distillation: 1` and `tower:
 * { hidden: [] }` are the paper's model. Equations as in the authors' code, https://github.com/reczoo/FuxiCTR
 * (`model_zoo/FinalNet`).
 */
export const finalnet = defineBottom({
  name: 'finalnet',
  summary: 'FinalNet: two stacks of layers that multiply two linear functions of their input',
  options: () => ({
    first: blockOptions
      .extend({
        hidden: widths.unwrap().min(1).default([64, 64, 64]).describe(mlpOptions.shape.hidden.description!),
      })
      .prefault({})
      .describe('Layers of the first stack'),
    second: blockOptions.prefault({}).describe('Layers of the second stack; none if hidden is []'),
    residual: z.enum(RESIDUALS).default('concat').describe('How a layer combines a linear function with the product'),
    distillation: z
      .number()
      .min(0)
      .default(0)
      .describe("Weight of each stack's loss against the mean of both; 0: one tower reads both stacks"),
    featureGating: z.boolean().default(false).describe('Whether the first stack also reads gated embeddings'),
  }),

  *check({ second, distillation }) {
    if (distillation > 0 && second.hidden.length === 0)
      yield {
        path: ['distillation'],
        message: 'requires two stacks, but second.hidden is []; add layers or remove it',
      };
  },
  hasStreams: ({ distillation }) => distillation > 0,

  build({ first, second, residual, featureGating, distillation }, { g, tasks, ...features }) {
    const { input } = features;
    const gated = featureGating ? g.concat([input, gateEmbeddings(g, features)]) : input;
    const stacks = new Map([['first', interactions(g, gated, first, residual, 'first')]]);
    if (second.hidden.length > 0) stacks.set('second', interactions(g, input, second, residual, 'second'));
    const outputs = forAllTasks(tasks, g.concat([...stacks.values()]));
    if (distillation === 0) return { outputs };
    return {
      outputs,
      streams: { streams: [...stacks].map(([name, { width }]) => ({ name, width })), weight: distillation },
    };
  },
});

/** Multiplies each embedding with a gate per column, a linear function of that column of all embeddings. */
function gateEmbeddings(g: GraphBuilder, features: Features): Value {
  const embeddings = fieldEmbeddings(g, features, 'finalnet');
  const fields = g.split(g.concat(embeddings), embeddings[0]!.width, { isInterleaved: true });
  return g.join(g.multiply(fields, g.linear(fields, embeddings.length, 'gate')), { isInterleaved: true });
}

/** Builds a stack of interaction layers, each with batch norm, activation and dropout. */
function interactions(g: GraphBuilder, input: Value, options: MlpOptions, residual: Residual, name: string): Value {
  return options.hidden.reduce((x, width, layer) => {
    const at = `${name}.${layer}`;
    const products = residual === 'sum' ? width : Math.floor(width / 2);
    const a = g.linear(x, residual === 'sum' ? width : width - products, at);
    const scaled = g.multiply(
      products === a.width ? a : g.slice(a, 0, products),
      g.linear(x, products, `${at}.factor`),
    );
    const h = residual === 'sum' ? g.add(a, scaled) : g.concat([a, scaled]);
    const normed = options.batchNorm ? g.batchNorm(h, `${at}.norm`) : h;
    return g.dropout(g.activation(normed, options.activation, `${at}.activation`), options.dropout, `${at}.dropout`);
  }, input);
}
