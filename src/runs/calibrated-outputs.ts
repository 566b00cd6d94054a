import { join } from 'node:path';
import { calibrationState, withCalibrators } from '../evaluation/calibration/calibration.js';
import type { Program } from '../engines/engine.js';
import type { Output } from '../evaluation/outputs.js';
import { userError } from '../core/errors.js';
import { readCheckpoint, type Checkpoint } from './checkpoint.js';
import { findCheckpoint } from './find-checkpoint.js';
import { FILES } from './manifest.js';
import { readSection } from './run-state.js';

/**
 * Adds a checkpoint's calibrators to outputs; returns the outputs unchanged if the run has no calibration.
 * @param folder directory of the checkpoint, named in errors
 * @throws UserError (checkpoint) if the calibrators were fitted to other weights
 */
export function calibrateOutputs(
  outputs: readonly Output[],
  { program, sections }: Pick<Checkpoint, 'program' | 'sections'>,
  folder: string,
): readonly Output[] {
  if (!Object.hasOwn(sections, calibrationState.name)) return outputs;
  const { step, calibrators } = readSection(sections, calibrationState, join(folder, FILES.state));
  if (step === program.step) return withCalibrators(outputs, calibrators);
  const message =
    step === 0
      ? 'the checkpoint was saved before the first validation and has no calibration'
      : `the weights are of step ${program.step}, but the calibration was fitted at step ${step}`;
  throw userError('checkpoint', {
    where: folder,
    message: message,
    fix: 'name a checkpoint saved at a validation, such as checkpoints/best, or use --raw to skip calibration',
  });
}

/**
 * Restores the best weights of a run into a program, without the optimizer state.
 * @returns the outputs, with the calibrators of the best weights
 * @throws UserError (checkpoint)
 */
export async function restoreBest(
  run: string,
  program: Pick<Program, 'restore'>,
  outputs: readonly Output[],
): Promise<readonly Output[]> {
  const folder = findCheckpoint(run);
  const best = await readCheckpoint(folder, { states: [] });
  program.restore(best.program);
  return calibrateOutputs(outputs, best, folder);
}
