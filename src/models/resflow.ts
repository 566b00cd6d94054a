import { bottomEmbeddingParts, bottomSchema, buildBottom, checkBottom } from '../bottoms/bottoms.js';
import { block, mlpOptions } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { refuseStreams } from './check-streams.js';
import { checkSequentialFunnel, buildSequentialFunnel } from './sequential-funnel.js';
import { defineModel, buildOutputLayer } from './model.js';

/**
 * ResFlow, the Residual Multi-Task Learner (Fu et al. 2024, https://arxiv.org/abs/2411.09705): tasks in funnel order.
 * The output of every tower layer, including the logit, is added to the output of the same layer of the next task's
 * tower, so that a task learns the difference from its predecessor. Sums accumulate along the funnel. Every task trains
 * on all rows, so its tower predicts the joint probability with all tasks before it. The conditional probability is the
 * quotient with the predecessor's.
 *
 * The authors' code (https://github.com/BrunoTruthAlliance/ResFlow) orders layers as linear, PReLU, batch norm, applies
 * batch norm to the embeddings, and weights positives of Ali-CCP by 100 and 500. Here, it has the layers of all
 * models, and `positiveWeight` of a task weights positives.
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
    yield* refuseStreams('resflow', bottom);
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
    let previousStates: readonly Value[] | undefined;
    const logits = tasks.map((task, t) => {
      const { name, firstBiasInChain } = task;
      const states: Value[] = [];
      const flow = (current: Value): Value => {
        states.push(previousStates === undefined ? current : g.add(previousStates[states.length]!, current));
        return states.at(-1)!;
      };
      const top = tower.hidden.reduce(
        (x, width, layer) => flow(block(g, x, width, tower, `towers.${name}.${layer}`)),
        outputs.get(name)!,
      );
      // The predecessor's bias is already in the sum.
      const firstBias =
        firstBiasInChain === undefined ? undefined : firstBiasInChain - (tasks[t - 1]?.firstBiasInChain ?? 0);
      const logit = flow(buildOutputLayer(g, task, top, `towers.${name}`, firstBias));
      previousStates = states;
      return logit;
    });
    const { predictions, terms } = buildSequentialFunnel({ g, tasks }, logits);
    return { gates, predictions, terms };
  },
});
