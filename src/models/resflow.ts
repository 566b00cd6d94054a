import { bottomEmbeddingParts, bottomSchema, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { block, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { checkSequentialFunnel, buildSequentialFunnel } from './sequential-funnel.js';
import { defineModel, buildOutputLayer } from './model.js';

/**
 * ResFlow, the Residual Multi-Task Learner (Fu et al. 2024, https://arxiv.org/abs/2411.09705): tasks stand in the order
 * of the funnel, and
 * what a layer of a tower says is added to what the same layer of the next task's says, also the logit: a task learns
 * what it
 * differs by from the one before it. Sums go on, so that the third task has those of the first two. Every task is
 * learned over all rows, so its tower says how probable it is together with all before it; what it is given a click is
 * that over the click's probability.
 *
 * The authors' code (https://github.com/BrunoTruthAlliance/ResFlow) has layers as linear, PReLU, batch norm, a batch
 * norm over the embeddings,
 * and counts positives of Ali-CCP 100 and 500 times; here layers are those of all models, and `positiveWeight` of a
 * task counts positives.
 */
export const resflow = defineModel({
  name: 'resflow',
  summary: 'Residual Multi-Task Learner: layers and logits of a task are added to the next in the funnel',
  options: () => ({
    bottom: bottomSchema.prefault({}).describe('Shared layers below the towers'),
    tower: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.default([16, 8]) })
      .prefault({})
      .describe('Tower of every task; equal shapes, since layers are added across tasks'),
  }),

  *checkTasks(tasks, { bottom }) {
    yield* checkBottom(bottom, tasks);
    yield* checkSequentialFunnel('resflow', tasks);
  },
  embeddingParts: ({ bottom }, tasks) => bottomEmbeddingParts(bottom, tasks),

  build({ bottom, tower }, { g, input, fields, tasks }) {
    const { outputs, gates = new Map() } = buildBottom(bottom, {
      g,
      input,
      fields,
      tasks: tasks.map(({ name }) => name),
    });
    let above: readonly Value[] | undefined;
    const logits = tasks.map((task, t) => {
      const { name, firstBiasInChain } = task;
      const states: Value[] = [];
      const flow = (own: Value): Value => {
        states.push(above === undefined ? own : g.add(above[states.length]!, own));
        return states.at(-1)!;
      };
      const top = tower.hidden.reduce(
        (x, width, layer) => flow(block(g, x, width, tower, `towers.${name}.${layer}`)),
        outputs.get(name)!,
      );
      // What comes from above is there already.
      const firstBias =
        firstBiasInChain === undefined ? undefined : firstBiasInChain - (tasks[t - 1]?.firstBiasInChain ?? 0);
      const logit = flow(buildOutputLayer(g, task, top, `towers.${name}`, firstBias));
      above = states;
      return logit;
    });
    const { predictions, terms } = buildSequentialFunnel({ g, tasks }, logits);
    return { gates, predictions, terms };
  },
});
