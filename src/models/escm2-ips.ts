import type { Term } from '../graph/graph.js';
import { counterfactualOptions, scaleGlobalTerms, inversePropensity } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, buildLossTerm } from './model.js';

/**
 * ESCM² with inverse propensity scores (Wang et al. 2022, https://arxiv.org/abs/2204.05125): the loss of a conversion
 * over clicked rows, each divided by its predicted click probability, plus ESMM's loss over all rows. The propensity is
 * a constant, as in the paper. PaddleRec's code divides by the propensity times the clicks of the batch and multiplies
 * by its rows; here the weight is the inverse propensity. It is limited to 15 by default, as in PaddleRec's doubly
 * robust loss. The default weight of the loss over all rows is this project's choice.
 */
export const escm2Ips = defineModel({
  name: 'escm2-ips',
  summary: 'Entire Space Counterfactual Multi-Task Model, IPS: conversions weighted by inverse click propensity',
  options: () => ({ ...funnelOptions, ...counterfactualOptions }),
  checkTasks: (tasks, options) => checkFunnel('escm2-ips', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g } = context;
    const { gates, predictions, clicks, products, distilled, conversions } = buildFunnel(context, options);
    const weighted = conversions.map(({ task, isCounted: counted, logit, propensity }): Term =>
      buildLossTerm(g, task, logit, {
        mask: task.countedInChain.mask,
        weights: inversePropensity(g, counted, propensity(), options.maxWeight, task.counted.weights),
      }),
    );
    return {
      gates,
      predictions,
      terms: [...clicks, ...weighted, ...scaleGlobalTerms(products, options.entireSpaceWeight), ...distilled],
    };
  },
});
