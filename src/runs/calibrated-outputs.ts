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
  spaces: readonly Output[],
  { program, sections }: Pick<Checkpoint, 'program' | 'sections'>,
  folder: string,
): readonly Output[] {
  if (!Object.hasOwn(sections, calibrationState.name)) return spaces;
  const { step, calibrators } = readSection(sections, calibrationState, join(folder, FILES.state));
  if (step === program.step) return withCalibrators(spaces, calibrators);
  const found =
    step === 0
      ? 'was saved before valid was measured, and has no calibration'
      : `is of step ${program.step}, and its calibration was fitted to the weights of step ${step}`;
  throw userError('checkpoint', {
    where: folder,
    message: found,
    fix: 'take one of a step at which valid was measured, as checkpoints/best, or --raw for what the model predicts itself',
  });
}

/**
 * Restores the best weights of a run into a program, without the optimizer state.
 * @returns the outputs, with the calibrators of these weights
 * @throws UserError (checkpoint)
 */
export async function restoreBest(
  run: string,
  program: Pick<Program, 'restore'>,
  spaces: readonly Output[],
): Promise<readonly Output[]> {
  const folder = findCheckpoint(run);
  const best = await readCheckpoint(folder, false);
  program.restore(best.program);
  return calibrateOutputs(spaces, best, folder);
}
