import { z } from 'zod';

// Options that several schedules share.

/** The length of training, from which relative lengths are computed. */
export interface TrainingLength {
  readonly steps: number;
  readonly stepsPerEpoch: number;
}

const LENGTH_HINT =
  'count optimizer steps, as in 500; an epoch has (training rows / training.batchSize) steps; or write 5% or 2 epochs';
const RELATIVE_LENGTH = /^(\d*\.?\d+) ?(%|epochs?)$/;

/** Schema of a length: optimizer steps, a share of training such as `5%`, or epochs such as `2 epochs`. */
export const length = z.union(
  [
    z
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
      .meta({ type: 'integer', minimum: 1 }),
    z
      .string()
      .regex(RELATIVE_LENGTH, 'steps, a share of training or epochs, as in 500, 5% or 2 epochs')
      .refine((text) => isPossible(text), 'expected a share above 0% and at most 100%, or more than 0 epochs'),
  ],
  'expected steps, a share of training or epochs, as in 500, 5% or 2 epochs',
);
export type Length = z.output<typeof length>;

function isPossible(text: string): boolean {
  const [, amount, unit] = RELATIVE_LENGTH.exec(text)!;
  return Number(amount) > 0 && (unit !== '%' || Number(amount) <= 100);
}

/** Converts a length to steps, rounded, at least 1. */
export function toSteps(length: Length, training: TrainingLength): number {
  if (typeof length === 'number') return length;
  const [, amount, unit] = RELATIVE_LENGTH.exec(length)!;
  const steps = unit === '%' ? (Number(amount) / 100) * training.steps : Number(amount) * training.stepsPerEpoch;
  return Math.max(1, Math.round(steps));
}

/** Creates a length that defaults to the length of training. */
export const lengthOfTraining = (description: string) =>
  length.default('100%').describe(`${description}: an integer, a share of training or epochs`);

/** Schema of a factor; above 1 it would exceed the configured learning rate. */
export const factor = z.number().min(0).max(1);

/** Schema of the lower bound of a decay. */
export const minFactor = factor.default(0).describe('Minimum factor');
