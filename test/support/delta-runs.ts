import { join } from 'node:path';
import { expect } from 'vitest';
import { abortAtStep, trainSmall } from './small-run.js';

/** Tables of many rows, of which a step changes few. */
const SETS = [
  'features.user.encoding={ name: hash, buckets: 2000 }',
  'checkpoints.bestBy=[]',
  'checkpoints.keepLast=50',
  'training.epochs=2',
  'training.earlyStopping=null',
];
/** Overrides of the small world for a full checkpoint per step, and for a delta per step. */
export const FULL = [...SETS, 'checkpoints.everySteps=1'];
export const DELTAS = [...SETS, 'checkpoints.everySteps=null', 'checkpoints.delta.everySteps=1'];

export const nameOf = (step: number): string => `step-${String(step).padStart(8, '0')}`;
export const checkpointOf = (run: string, step: number): string => join(run, 'checkpoints', nameOf(step));

/** Trains a config up to a step. */
export async function trainUntil(config: string, step: number, runDir: string, set: readonly string[]): Promise<void> {
  const { signal, on } = abortAtStep(step);
  const { end } = await trainSmall(config, { runDir, set, signal, on });
  expect(end).toBe('interrupted');
}
