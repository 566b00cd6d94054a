import { z } from 'zod';
import type { LossOptions } from '../graph/loss-options.js';
import type { Term } from '../graph/graph.js';
import { mlp, mlpOptions, tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { buildMean, buildSoftMean } from '../losses/loss.js';
import { tasksGiven } from '../core/tasks.js';
import { refuseStreams } from './check-streams.js';
import { counterfactualOptions, scaleGlobalTerms, inversePropensity, selfNormalize } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, type ModelTask } from './model.js';

/**
 * Direct Dual Propensity Optimization (Su et al. 2024, https://doi.org/10.1145/3626772.3657817): a network that trains
 * on clicked rows only predicts r̂, the probability of a conversion, for any row. r̂ is the label of unclicked rows,
 * and softens the label of clicked rows: min(1, y + r̂). The conversion trains on both with self-normalized inverse
 * propensity weights; r̂ and the weights are constants there. Its tower reads two transfers: attention over its own
 * state and the click's, and over its own state and the state of r̂.
 *
 * Soft labels sum to more than the number of conversions, and so do predictions: they rank, and are not calibrated.
 *
 * The authors' code (https://github.com/TL-UESTC/DDPO) averages weights that sum to 1 over the batch, so that the loss
 * shrinks with the batch size; here they sum to the rows that count. It averages the loss of r̂ over all rows; here,
 * over the rows that it trains on. Its attention matrices have biases; these do not. It limits weights to 15 only in
 * batches without clicks; `maxWeight` limits every row before normalization. Its three tasks are one click and one
 * conversion; here, a conversion of any depth has its own r̂.
 */
export const ddpo = defineModel({
  name: 'ddpo',
  summary: 'Direct Dual Propensity Optimization: conversions trained on all rows with soft labels of a second network',
  options: () => ({
    ...funnelOptions,
    ...counterfactualOptions,
    layers: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.min(1).default([32]) })
      .prefault({})
      .describe('Layers of each task and of the soft-label network, below the transfers'),
    softLabels: z
      .boolean()
      .default(true)
      .describe('Whether the soft-label network also softens labels of clicked rows'),
    propensityWeight: z.number().positive().default(1).describe("Weight of the soft-label network's loss"),
  }),
  *checkTasks(tasks, options) {
    yield* checkFunnel('ddpo', tasks, options);
    yield* refuseStreams('ddpo', options.bottom);
  },
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g, tasks } = context;
    const width = options.layers.hidden.at(-1)!;
    const propensities = new Map<string, Value>();
    const dense = (x: Value, name: string): Value => g.activation(g.linear(x, width, name), 'relu', `${name}.relu`);
    const negate = (x: Value): Value => g.affine(x, -1, 1);
    /** Computes the input of the towers; a conversion combines its own state with the states of its click and of r̂. */
    const buildTowerInputs = (bottomOutputs: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> => {
      const states = new Map(
        tasks.map(({ name }) => [name, mlp(g, bottomOutputs.get(name)!, options.layers, `states.${name}`)] as const),
      );
      const towerInput = (task: ModelTask): Value => {
        const ownState = states.get(task.name)!;
        const [parent] = tasksGiven(task, tasks);
        if (parent === undefined) return ownState;
        const propensity = mlp(g, bottomOutputs.get(task.name)!, options.layers, `states.${task.name}.propensity`);
        propensities.set(task.name, propensity);
        const scope = `transfers.${task.name}`;
        const transfer = (state: Value, what: string): Value =>
          g.attend([dense(state, `${scope}.${what}`), ownState], `${scope}.${what}.attention`);
        return dense(
          g.concat([transfer(states.get(parent.name)!, 'click'), transfer(propensity, 'propensity')]),
          scope,
        );
      };
      return new Map(tasks.map((task) => [task.name, towerInput(task)]));
    };
    const { gates, predictions, clicks, products, conversions } = buildFunnel(context, options, buildTowerInputs);

    const dual = conversions.flatMap(({ task, isCounted: counted, given, logit, propensity }): Term[] => {
      const { name, weight, labelValue } = task;
      const imputation = tower(g, propensities.get(name)!, options.cvrTower, `propensities.${name}`, task.firstBias);
      const imputed = g.stopGradient(g.activation(imputation, 'sigmoid', `${name}.propensity`));
      const clicked = propensity();
      const { mask } = task.countedInChain;
      const weighRows = (event: Value, probability: Value): LossOptions => {
        const weights = inversePropensity(g, event, probability, options.maxWeight, task.counted.weights);
        return selfNormalize(g, { mask, weights });
      };
      const soft = options.softLabels ? g.clip(g.add(labelValue, imputed), 0, 1) : labelValue;
      return [
        { name, weight, loss: buildSoftMean(g, task.taskLoss, logit, soft, weighRows(counted, clicked)) },
        {
          name: `${name}.unclicked`,
          weight,
          loss: buildSoftMean(g, task.taskLoss, logit, imputed, weighRows(negate(given), negate(clicked))),
        },
        {
          name: `${name}.propensity`,
          weight: weight * options.propensityWeight,
          loss: buildMean(g, task.taskLoss, imputation, labelValue, task.counted),
        },
      ];
    });
    return {
      gates,
      predictions,
      terms: [...clicks, ...dual, ...scaleGlobalTerms(products, options.entireSpaceWeight)],
    };
  },
});
