import { z } from 'zod';
import type { Term } from '../graph/graph.js';
import { mlpOptions, tower } from '../graph/mlp.js';
import type { Value } from '../graph/operations.js';
import { counterfactualOptions, scaleGlobalTerms, inversePropensity } from './counterfactual.js';
import { checkFunnel, funnelEmbeddingParts, buildFunnel, funnelOptions } from './funnel.js';
import { computeLossBias } from './bias-init.js';
import { defineModel } from './model.js';

/**
 * ESCM² with the doubly robust estimator (Wang et al. 2022, https://arxiv.org/abs/2204.05125): a separate tower imputes
 * the loss δ̂ of a conversion on every row, and clicked rows correct it with their inverse propensity w, as constants.
 * The conversion minimizes δ̂ + w (δ - δ̂), the imputation w (δ - δ̂)². A log loss is never negative, so the tower
 * predicts log(1 + e^x).
 *
 * In PaddleRec's code the square also trains the conversion, toward the imputed loss. That increases low predictions
 * and spoils ranking and calibration: on synthetic data it was worse than no correction. Here δ is a constant in the
 * square, as if imputation and prediction were trained alternately (Wang et al. 2019,
 * https://proceedings.mlr.press/v97/wang19n.html); `jointTraining: true` gives PaddleRec's behavior.
 */
export const escm2Dr = defineModel({
  name: 'escm2-dr',
  summary: 'Entire Space Counterfactual Multi-Task Model, doubly robust: conversions with an imputed loss',
  options: () => ({
    ...funnelOptions,
    ...counterfactualOptions,
    imputationTower: mlpOptions
      .extend({ hidden: mlpOptions.shape.hidden.default([16, 8]) })
      .prefault({})
      .describe('Tower that imputes the conversion loss'),
    imputationWeight: z.number().positive().default(1).describe('Weight of the imputation loss'),
    jointTraining: z.boolean().default(false).describe('Whether the imputation loss also trains the conversion tower'),
  }),
  checkTasks: (tasks, options) => checkFunnel('escm2-dr', tasks, options),
  embeddingParts: funnelEmbeddingParts,

  build(options, context) {
    const { g } = context;
    const { gates, predictions, clicks, products, distilled, conversions } = buildFunnel(context, options);
    const robust = conversions.flatMap(({ task, isCounted: counted, logit, propensity, input }): Term[] => {
      const weights = g.stopGradient(
        inversePropensity(g, counted, propensity(), options.maxWeight, task.counted.weights),
      );
      // log(1 + e^x) is the log loss of the label 0.
      const never = g.affine(task.labelValue, 0, 0);
      const imputed = g.crossEntropy(
        tower(g, input, options.imputationTower, `imputations.${task.name}`, computeLossBias(task.firstBias)),
        never,
      );
      const loss = task.taskLoss.rows(g, logit, task.labelValue);
      const subtractImputed = (value: Value): Value => g.add(value, g.affine(imputed, -1, 0));
      const error = subtractImputed(options.jointTraining ? loss : g.stopGradient(loss));
      const { mask } = task.countedInChain;
      return [
        {
          name: task.name,
          weight: task.weight,
          loss: g.mean(g.add(imputed, g.multiply(weights, subtractImputed(loss))), { mask }),
        },
        {
          name: `${task.name}.imputation`,
          weight: task.weight * options.imputationWeight,
          loss: g.mean(g.multiply(weights, g.multiply(error, error)), { mask }),
        },
      ];
    });
    return {
      gates,
      predictions,
      terms: [...clicks, ...robust, ...scaleGlobalTerms(products, options.entireSpaceWeight), ...distilled],
    };
  },
});
