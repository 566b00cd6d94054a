import { z } from 'zod';
import type { LossOptions } from '../graph/loss-options.js';
import type { Term } from '../graph/graph.js';
import { tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { buildMean } from '../losses/loss.js';
import { counterfactualOptions, scaleGlobalTerms, inversePropensity, selfNormalize } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, buildLossTerm } from './model.js';
import { getTower } from './task-towers.js';

/**
 * Direct entire-space Causal Multi-Task framework (Zhu et al. 2023, https://arxiv.org/abs/2302.06141): twin towers
 * predict the probability r of a conversion and r* = 1 - r of none. The first trains on clicked rows, the second on
 * unclicked rows with the label 1 - y. Both use self-normalized inverse propensity weights. |1 - (r + r*)| over all
 * rows is a penalty.
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
    const { gates, predictions, clicks, products, distilled, conversions } = buildFunnel(context, options);
    const causal = conversions.flatMap(({ task, isCounted: counted, given, logit, propensity, input }): Term[] => {
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
      const weighRows = (event: Value, probability: Value): LossOptions => {
        const weights = inversePropensity(g, event, probability, options.maxWeight, task.counted.weights);
        return selfNormalize(g, { mask, weights });
      };
      const factual = weighRows(counted, clicked);
      const counterfactual = weighRows(g.affine(given, -1, 1), g.affine(clicked, -1, 1));
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
          loss: buildMean(g, task.taskLoss, twin, g.affine(labelValue, -1, 1), counterfactual),
        },
        {
          name: `${name}.agreement`,
          weight: weight * options.counterfactualWeight,
          loss: g.mean(g.add(g.clip(excess, 0, 1), g.clip(g.affine(excess, -1, 0), 0, 1))),
        },
      ];
    });
    return {
      gates,
      predictions,
      terms: [...clicks, ...causal, ...scaleGlobalTerms(products, options.entireSpaceWeight), ...distilled],
    };
  },
});
