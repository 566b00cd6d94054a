import { z } from 'zod';
import type { LossOptions } from '../graph/builder.js';
import type { Term } from '../graph/graph.js';
import { tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { meanOf } from '../losses/loss.js';
import { counterfactualOptions, globalTerms, inversePropensity, selfNormalised } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, buildLossTerm } from './model.js';
import { getTower } from './task-towers.js';

/**
 * Direct entire-space Causal Multi-Task framework (Zhu et al. 2023, https://arxiv.org/abs/2302.06141): twin towers say
 * how probable
 * a conversion is and how probable it is that there is none, r* = 1 - r. The first learns from clicked rows, the second
 * from those
 * that were not clicked, with the label 1 - y, each weighted by the inverse of how probable it is to have been seen so
 * and by these
 * weights' own sum (self-normalised inverse propensity scores); |1 - (r + r*)| over all rows binds them together.
 */
export const dcmt = defineModel({
  name: 'dcmt',
  summary: 'Direct entire-space Causal Multi-Task: factual and counterfactual twin towers for conversions',
  options: () => ({
    ...funnelOptions,
    ...counterfactualOptions,
    counterfactualWeight: z
      .number()
      .min(0)
      .default(0.001)
      .describe('Weight of the penalty that makes factual and counterfactual predictions sum to 1'),
  }),
  checkTasks: (tasks, options) => checkFunnel('dcmt', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g } = context;
    const { gates, predictions, clicks, products, conversions } = buildFunnel(context, options);
    const causal = conversions.flatMap(({ task, seen, given, logit, propensity, input }): Term[] => {
      const { name, weight, labelValue, firstBias } = task;
      const twin = tower(
        g,
        input,
        getTower({ tower: options.cvrTower, towers: options.towers }, name),
        `twins.${name}`,
        firstBias === undefined ? undefined : -firstBias,
      );
      const clicked = propensity();
      const { mask } = task.countedInChain;
      const counted = (happened: Value, probability: Value): LossOptions => {
        const weights = inversePropensity(g, happened, probability, options.maxWeight, task.counted.weights);
        return selfNormalised(g, { mask, weights });
      };
      const factual = counted(seen, clicked);
      const counterfactual = counted(g.affine(given, -1, 1), g.affine(clicked, -1, 1));
      const excess = g.affine(
        g.add(
          g.activation(logit, 'sigmoid', `${name}.factual`),
          g.activation(twin, 'sigmoid', `${name}.counterfactual`),
        ),
        -1,
        1,
      );
      return [
        buildLossTerm(g, task, logit, factual),
        {
          name: `${name}.counterfactual`,
          weight,
          loss: meanOf(g, task.taskLoss, twin, g.affine(labelValue, -1, 1), counterfactual),
        },
        {
          name: `${name}.agreement`,
          weight: weight * options.counterfactualWeight,
          loss: g.mean(g.add(g.clip(excess, 0, 1), g.clip(g.affine(excess, -1, 0), 0, 1))),
        },
      ];
    });
    return { gates, predictions, terms: [...clicks, ...causal, ...globalTerms(products, options.entireSpaceWeight)] };
  },
});
