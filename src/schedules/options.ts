import { z } from 'zod';

// Options that several schedules have.

const LENGTH_HINT = 'steps of the optimizer are counted, and an epoch has (rows of train / training.batchSize) of them';

/** A length in steps. It is a key of its own and not taken from the epochs: a resume for more of them must bend nothing. */
export const length = z
  .number()
  .superRefine((steps, context) => {
    if (Number.isSafeInteger(steps) && steps >= 1) return;
    // No check of a whole schedule looks at what is no length.
    context.addIssue({ code: 'custom', continue: false, message: `expected a whole number of at least 1, found ${steps}; ${LENGTH_HINT}` });
  })
  .meta({ type: 'integer', minimum: 1 });

/** A factor from 0 on; beyond 1 it would raise the learning rate over the config's. */
export const factor = z.number().min(0).max(1);

/** What a schedule that falls does not fall below. */
export const minFactor = factor.default(0).describe('the factor does not fall below this');
