import { z } from 'zod';

// Options that several schedules share.

const LENGTH_HINT = 'count optimizer steps; an epoch has (training rows / training.batchSize) steps';

/** Schema of a length in steps. */
export const length = z
  .number()
  .superRefine((steps, context) => {
    if (Number.isSafeInteger(steps) && steps >= 1) return;
    // Later checks of the schedule require a valid length.
    context.addIssue({
      code: 'custom',
      continue: false,
      message: `expected an integer of at least 1, found ${steps}; ${LENGTH_HINT}`,
    });
  })
  .meta({ type: 'integer', minimum: 1 });

/** Creates a length in steps that defaults to the length of training. */
export const lengthOfTraining = (description: string) =>
  length.optional().describe(`${description}; default: the steps of training`);

/** Schema of a factor; above 1 it would exceed the configured learning rate. */
export const factor = z.number().min(0).max(1);

/** Schema of the lower bound of a decay. */
export const minFactor = factor.default(0).describe('Minimum factor');
