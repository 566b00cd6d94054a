import { z } from 'zod';
import type { LossOptions } from '../graph/builder.js';
import type { Term } from '../graph/graph.js';
import { mlp, mlpOptions, tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { meanOf, meanOfSoft } from '../losses/loss.js';
import { tasksGiven } from '../core/tasks.js';
import { counterfactualOptions, globalTerms, inversePropensity, selfNormalised } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, type ModelTask } from './model.js';

/**
 * Direct Dual Propensity Optimization (Su et al. 2024, https://doi.org/10.1145/3626772.3657817): a network that learns
 * conversions from clicked
 * rows alone says how probable one is on any row. That is the label of rows that were not clicked, and softens those of
 * rows that were: min(1, y + r̂). The conversion learns from both, weighted by the inverse of how probable they were to
 * be seen so and by these
 * weights' own sum; r̂ and the weights are constants there. Its tower stands on two transfers: attention over its own
 * state and what the click
 * knows, and over its own state and what r̂ knows.
 *
 * Soft labels add up to more than there were conversions, so predictions do too: they rank, and are not calibrated.
 *
 * The authors' code (https://github.com/TL-UESTC/DDPO) takes the mean over the batch of weights that add up to 1, which
 * makes the loss smaller the larger a batch
 * is; here they add up to the rows that count. It takes the mean of the loss of r̂ over all rows; here it is over those
 * that it learns from. The
 * attention's matrices have biases there, and none here. A row that the code counts at most 15 times in place of its
 * share, only where nothing was
 * clicked; `maxWeight` bounds every row before that. Its three tasks are one click and one conversion; here a
 * conversion of any depth has its own r̂.
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
      .describe('Layers of each task and of r̂, between shared layers and transfers'),
    softLabels: z.boolean().default(true).describe('Whether r̂ softens the labels of clicked rows'),
    propensityWeight: z.number().positive().default(1).describe('Weight of the loss of r̂'),
  }),
  checkTasks: (tasks, options) => checkFunnel('ddpo', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g, tasks } = context;
    const width = options.layers.hidden.at(-1)!;
    const propensities = new Map<string, Value>();
    const dense = (x: Value, name: string): Value => g.activation(g.linear(x, width, name), 'relu', `${name}.relu`);
    /** What the towers stand on: of a conversion, its own state beside those of its click and of r̂. */
    const transferred = (below: ReadonlyMap<string, Value>): ReadonlyMap<string, Value> => {
      const states = new Map(
        tasks.map(({ name }) => [name, mlp(g, below.get(name)!, options.layers, `states.${name}`)] as const),
      );
      const towerInput = (task: ModelTask): Value => {
        const own = states.get(task.name)!;
        const [above] = tasksGiven(task, tasks);
        if (above === undefined) return own;
        const propensity = mlp(g, below.get(task.name)!, options.layers, `states.${task.name}.propensity`);
        propensities.set(task.name, propensity);
        const from = (state: Value, what: string): Value =>
          g.attend([dense(state, `transfers.${task.name}.${what}`), own], `transfers.${task.name}.${what}.attention`);
        return dense(
          g.concat([from(states.get(above.name)!, 'click'), from(propensity, 'propensity')]),
          `transfers.${task.name}`,
        );
      };
      return new Map(tasks.map((task) => [task.name, towerInput(task)]));
    };
    const { gates, predictions, clicks, products, conversions } = buildFunnel(context, options, transferred);

    const dual = conversions.flatMap(({ task, seen, given, logit, propensity }): Term[] => {
      const { name, weight, labelValue } = task;
      const guess = tower(g, propensities.get(name)!, options.cvrTower, `propensities.${name}`, task.firstBias);
      const guessed = g.stopGradient(g.activation(guess, 'sigmoid', `${name}.propensity`));
      const clicked = propensity();
      const { mask } = task.countedInChain;
      const counted = (happened: Value, probability: Value): LossOptions => {
        const weights = inversePropensity(g, happened, probability, options.maxWeight, task.counted.weights);
        return selfNormalised(g, { mask, weights });
      };
      const soft = options.softLabels ? g.clip(g.add(labelValue, guessed), 0, 1) : labelValue;
      return [
        { name, weight, loss: meanOfSoft(g, task.taskLoss, logit, soft, counted(seen, clicked)) },
        {
          name: `${name}.unclicked`,
          weight,
          loss: meanOfSoft(g, task.taskLoss, logit, guessed, counted(g.affine(given, -1, 1), g.affine(clicked, -1, 1))),
        },
        {
          name: `${name}.propensity`,
          weight: weight * options.propensityWeight,
          loss: meanOf(g, task.taskLoss, guess, labelValue, task.counted),
        },
      ];
    });
    return { gates, predictions, terms: [...clicks, ...dual, ...globalTerms(products, options.entireSpaceWeight)] };
  },
});
