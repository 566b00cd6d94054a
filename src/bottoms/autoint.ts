import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { defineBottom, forAllTasks } from './bottom.js';
import { deepPartOptions, withDeepPart } from './deep-part.js';
import { fieldEmbeddings } from './field-embeddings.js';

const attentionOptions = {
  heads: z.int().min(1).max(64).default(2).describe('Number of attention heads'),
  headWidth: z.int().min(1).max(1024).default(8).describe('Width of each head'),
  scaled: z.boolean().default(false).describe('Whether scores are divided by the square root of headWidth'),
  residual: z.boolean().default(true).describe("Whether a field's input is added to the result of its attention"),
  layerNorm: z.boolean().default(false).describe('Whether a layer norm precedes the activation'),
};
type AttentionOptions = z.output<z.ZodObject<typeof attentionOptions>>;

/**
 * AutoInt (Song et al. 2019, https://arxiv.org/abs/1810.11921): self-attention of a row's fields to each other. In a
 * head, field m becomes Σ_k α_mk V e_k with α_mk = softmax over k of <Q e_m, K e_k> (eq. 5 and 6); a layer is
 * relu(heads, concatenated, + W e_m) (eq. 8), and l layers combine up to 2^l fields. The result concatenates all
 * fields. The parallel deep layers make it AutoInt+.
 *
 * Options as in https://github.com/reczoo/FuxiCTR (`model_zoo/AutoInt`): scores are not scaled, as in the paper, and W
 * is the identity if widths are equal.
 */
export const autoint = defineBottom({
  name: 'autoint',
  summary: "AutoInt: self-attention of a row's fields to each other",
  options: () => ({
    layers: z.int().min(1).max(16).default(3).describe('Number of attention layers'),
    ...attentionOptions,
    ...deepPartOptions('parallel'),
  }),

  build({ layers, structure, deep, ...options }, { g, tasks, ...features }) {
    const embeddings = fieldEmbeddings(g, features, 'autoint');
    // A row per field.
    let x: Value = g.split(g.concat(embeddings), embeddings.length);
    for (let layer = 0; layer < layers; layer++) x = attend(g, x, options, `attention.${layer}`);
    return { outputs: forAllTasks(tasks, withDeepPart(g, features.input, g.join(x), { structure, deep })) };
  },
});

/** Builds a layer of attention of the fields of each row. */
function attend(
  g: GraphBuilder,
  x: Value,
  { heads, headWidth, scaled, residual, layerNorm }: AttentionOptions,
  name: string,
): Value {
  const width = heads * headWidth;
  const project = (role: string): Value => g.linear(x, width, `${name}.${role}`, { bias: false });
  const query = project('query');
  const scores = scaled ? query : g.affine(query, Math.sqrt(headWidth), 0);
  const attended = g.segmentAttention(scores, project('key'), project('value'), { heads, isCausal: false });
  const h = residual ? g.add(attended, x.width === width ? x : project('residual')) : attended;
  return g.activation(layerNorm ? g.layerNorm(h, `${name}.norm`) : h, 'relu', `${name}.relu`);
}
