import type { Term } from '../graph/graph.js';
import { counterfactualOptions, globalTerms, inversePropensity } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { defineModel, buildLossTerm } from './model.js';

/**
 * ESCM² with inverse propensity scores (Wang et al. 2022, https://arxiv.org/abs/2204.05125): the loss of a conversion
 * is that of clicked rows, each divided by how probable the model holds its click, over all rows; ESMM's loss over all
 * rows stands
 * beside it. The propensity is a constant there, as in the paper. PaddleRec's code divides by the propensity
 * times the clicks of the batch and multiplies by its rows; here the inverse is of the propensity alone. It is bounded
 * at 15 by default,
 * as it is in PaddleRec's doubly robust loss; the factor of the loss over all rows is a choice of this project.
 */
export const escm2Ips = defineModel({
  name: 'escm2-ips',
  summary: 'Entire Space Counterfactual Multi-Task Model, IPS: conversions weighted by inverse click propensity',
  options: () => ({ ...funnelOptions, ...counterfactualOptions }),
  checkTasks: (tasks, options) => checkFunnel('escm2-ips', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g } = context;
    const { gates, predictions, clicks, products, conversions } = buildFunnel(context, options);
    const weighted = conversions.map(({ task, seen, logit, propensity }): Term =>
      buildLossTerm(g, task, logit, {
        mask: task.countedInChain.mask,
        weights: inversePropensity(g, seen, propensity(), options.maxWeight, task.counted.weights),
      }),
    );
    return { gates, predictions, terms: [...clicks, ...weighted, ...globalTerms(products, options.entireSpaceWeight)] };
  },
});
