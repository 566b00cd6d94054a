import { z } from 'zod';
import type { LoopPosition } from './loop-state.js';

/** Schema of the section `training.evaluation`. */
export const evaluationOptions = z
  .strictObject({
    everySteps: z.int().min(1).optional().describe('Steps between validations'),
    everyRows: z.int().min(1).optional().describe('Training rows between validations'),
  })
  .refine(
    ({ everySteps, everyRows }) => (everySteps === undefined) !== (everyRows === undefined),
    'expected either everySteps or everyRows, as in { everySteps: 1000 }',
  )
  .describe('Validation interval, which early stopping and best checkpoints follow; default: each epoch');
export type EvaluationInterval = z.output<typeof evaluationOptions>;

/** Returns whether to validate before the next step. */
export function isDue(
  { everySteps, everyRows }: EvaluationInterval,
  { step, rowsSinceEvaluation }: LoopPosition,
): boolean {
  if (rowsSinceEvaluation === 0) return false;
  return everySteps !== undefined ? step > 0 && step % everySteps === 0 : rowsSinceEvaluation >= everyRows!;
}
