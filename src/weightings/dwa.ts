import { z } from 'zod';
import { softmax } from './softmax.js';
import { commonState, everyTerm, perTerm } from './state.js';
import { defineWeighting } from './weighting.js';

const stateSchema = z.strictObject({
  ...commonState,
  /** Sums of the losses over the `steps` of the current span. */
  sums: perTerm,
  steps: z.int().min(0),
  epoch: z.number(),
  /** Mean losses of the last two finished spans, newest first. */
  means: z.array(perTerm).max(2),
});
type State = z.output<typeof stateSchema>;

/**
 * Dynamic weight average (Liu, Johns & Davison, CVPR 2019, equation 7): T times the softmax of loss(t - 1) / loss(t -
 * 2) over a temperature, where losses are means over epochs. Weights are 1 until two epochs are finished. A term that
 * decreases more slowly gets more weight. The first loss of an epoch ends the previous epoch, so its first step still
 * uses the old weights.
 */
export const dwa = defineWeighting({
  name: 'dwa',
  summary: 'Dynamic Weight Average: more weight for slowly falling terms (Liu et al. 2019)',
  options: () => ({
    temperature: z.number().positive().default(2).describe('Softmax temperature; larger values even out the weights'),
    everySteps: z.int().min(1).optional().describe('Steps per mean loss to compare; default: one epoch'),
  }),

  build({ temperature, everySteps }) {
    const afterSpan = (state: State): State => ({
      ...state,
      sums: everyTerm(state.sums, 0),
      steps: 0,
      means: [state.sums.map((sum) => sum / state.steps), ...state.means].slice(0, 2),
    });

    return {
      needs: 'losses',
      stateVersion: 1,
      stateSchema,
      first: (weights): State => ({
        configWeights: [...weights],
        sums: everyTerm(weights, 0),
        steps: 0,
        epoch: 0,
        means: [],
      }),
      observe(state, { losses, epoch }) {
        const current = everySteps === undefined && state.steps > 0 && epoch !== state.epoch ? afterSpan(state) : state;
        const next = {
          ...current,
          sums: current.sums.map((sum, i) => sum + losses[i]!),
          steps: current.steps + 1,
          epoch,
        };
        return next.steps === everySteps ? afterSpan(next) : next;
      },
      weights({ configWeights, means: [newer, older] }) {
        if (newer === undefined || older === undefined) return configWeights;
        // A term with loss 0 has no rate of decrease.
        const paces = newer.map((mean, i) => (older[i]! > 0 ? mean / older[i]! : 1));
        const shares = softmax(paces.map((pace) => pace / temperature));
        return configWeights.map((weight, i) => weight * configWeights.length * shares[i]!);
      },
    };
  },
});
