import { z } from 'zod';

// Options that several schedules have.

const LENGTH_HINT = 'steps of the optimizer are counted, and an epoch has (rows of train / training.batchSize) of them';

/** A length in steps. */
export const length = z
  .number()
  .superRefine((steps, context) => {
    if (Number.isSafeInteger(steps) && steps >= 1) return;
    // No check of a whole schedule looks at what is no length.
    context.addIssue({
      code: 'custom',
      continue: false,
      message: `expected a whole number of at least 1, found ${steps}; ${LENGTH_HINT}`,
    });
  })
  .meta({ type: 'integer', minimum: 1 });

/** A length in steps that is the length of training by default. */
export const lengthOfTraining = (what: string) => length.optional().describe(`${what}; default: the steps of training`);

/** A factor from 0 on; beyond 1 it would raise the learning rate over the config's. */
export const factor = z.number().min(0).max(1);

/** What a schedule that falls does not fall below. */
export const minFactor = factor.default(0).describe('Minimum factor');
