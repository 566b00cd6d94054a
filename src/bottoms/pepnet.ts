import { z } from 'zod';
import type { GraphBuilder } from '../graph/builder.js';
import { inputOption, selectGroups } from '../graph/features.js';
import { block, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { defineBottom } from './bottom.js';

const gateUnit = (looksAt: string) =>
  z.strictObject({
    input: inputOption(looksAt),
    hidden: z.int().min(1).max(65_536).default(16).describe('Hidden width of the gate network'),
  });

/**
 * PEPNet (Chang et al. 2023, https://arxiv.org/abs/2302.01115): gates between 0 and 2 that depend on a few important
 * features. EPNet scales all embeddings by gates on the domain (`epnet.input`: the scene, its statistics). PPNet scales
 * the input and every hidden layer of each task by gates on the entities (`ppnet.input`: user, item, author). Both also
 * read all features with a stopped gradient. A gate unit is a ReLU layer, then a layer with 2 · sigmoid; each task has
 * its own.
 *
 * Without named groups a gate reads all features, so that the two halves of its input differ only in their gradient.
 * The paper's output is linear in the last gated layer: set `tower: { hidden: [] }`. Gates follow the whole block of
 * linear, batch norm, activation and dropout.
 */
export const pepnet = defineBottom({
  name: 'pepnet',
  summary: 'PEPNet: domain features gate the embeddings; user and item features gate the layers of each task',
  options: () => ({
    epnet: gateUnit('gate the embeddings: those of the domain').prefault({}).describe('Gate on the embeddings (EPNet)'),
    ppnet: gateUnit('gate the layers: those of user, item and author')
      .prefault({})
      .describe('Gates on the layers of each task (PPNet)'),
    layers: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.min(1).default([32, 16]) })
      .prefault({})
      .describe('Gated layers of each task'),
  }),

  build({ epnet, ppnet, layers }, { g, tasks, ...features }) {
    const { input } = features;
    const domain = g.concat([selectGroups(g, features, epnet.input).input, g.stopGradient(input)]);
    const personal = g.multiply(factors(g, domain, input.width, epnet.hidden, 'epnet'), input);
    const prior = g.concat([selectGroups(g, features, ppnet.input).input, g.stopGradient(personal)]);
    const outputs = new Map(
      tasks.map((task): [string, Value] => {
        const gate = (x: Value, layer: number): Value =>
          g.multiply(factors(g, prior, x.width, ppnet.hidden, `ppnet.${task}.${layer}`), x);
        return [
          task,
          layers.hidden.reduce(
            (x, width, layer) => gate(block(g, x, width, layers, `layers.${task}.${layer}`), layer + 1),
            gate(personal, 0),
          ),
        ];
      }),
    );
    return { outputs };
  },
});

/** Builds a gate unit, with results from 0 to 2. */
function factors(g: GraphBuilder, x: Value, width: number, hidden: number, name: string): Value {
  const h = g.activation(g.linear(x, hidden, `${name}.hidden`), 'relu', `${name}.relu`);
  return g.affine(g.activation(g.linear(h, width, `${name}.factors`), 'sigmoid', `${name}.sigmoid`), 2, 0);
}
