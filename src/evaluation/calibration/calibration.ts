import { z } from 'zod';
import { oneClass } from '../ranked.js';
import type { Scores } from '../scores.js';
import { findPredictedOutput, type Output } from '../outputs.js';
import type { StateSection } from '../../core/state-section.js';
import { calibratorSchema, type Calibrator } from './curve.js';
import { resolveMethods, type CalibrationSection } from './options.js';

const stateSchema = z.strictObject({
  /** Optimizer steps behind the weights that it was fitted to; those of any other step it does not fit. */
  step: z.int().min(0),
  /** By space. */
  calibrators: z.record(z.string(), calibratorSchema),
});
type CalibrationState = z.output<typeof stateSchema>;

/** Calibration's section of a checkpoint. */
export const calibrationState: StateSection<CalibrationState> = {
  name: 'calibration',
  version: 1,
  schema: stateSchema,
};

/** Calibrates a model each time that valid is measured, so that a checkpoint of that time has what fits its weights. */
export interface Calibration {
  /**
   * Fits to what was predicted on valid, which it gives back.
   * @param step optimizer steps behind the weights
   */
  fitted<Found extends WithScores>(found: Found, step: number): Found;
  /** The spaces as they are calibrated for the weights that it was last fitted to. */
  calibrated(): readonly Output[];
}

/** What was found of some rows, with those of each space. */
interface WithScores {
  scores(space: Output): Scores;
}

/** What a calibration works with. */
export interface CalibrationOptions {
  /** Of the config; without it nothing is done. */
  readonly section: CalibrationSection | undefined;
  readonly spaces: readonly Output[];
  /** Keeps what a part remembers with the run. */
  stateOf<State extends object>(section: StateSection<State>, first: () => State): State;
}

/**
 * The calibration of a run.
 * @param tell told of spaces that cannot be calibrated, each once
 */
export function createCalibration(
  { section, spaces, stateOf }: CalibrationOptions,
  warn: (notice: string) => void,
): Calibration {
  if (section === undefined) return { fitted: (found) => found, calibrated: () => spaces };
  const state = stateOf(calibrationState, () => ({ step: 0, calibrators: {} }));
  const told = new Set<string>();
  return {
    fitted(found, step) {
      const calibrators: Record<string, Calibrator> = {};
      for (const { space, method, fit } of resolveMethods(section, spaces)) {
        const ranked = found.scores(space).ranked();
        const none = oneClass(ranked);
        if (none === undefined) calibrators[space.name] = { method, curve: fit(ranked) };
        else if (!told.has(space.name)) warn(`${space.name} is not calibrated: valid has ${none.reason} of it`);
        if (none !== undefined) told.add(space.name);
      }
      Object.assign(state, { step, calibrators });
      return found;
    },
    calibrated: () => withCalibrators(spaces, state.calibrators),
  };
}

/** Spaces whose predictions are told as their calibrators say; a space goes with the one that predicts the same. */
export function withCalibrators(
  spaces: readonly Output[],
  calibrators: Readonly<Record<string, Calibrator>>,
): readonly Output[] {
  return spaces.map((space) => {
    const { name } = findPredictedOutput(space, spaces);
    return Object.hasOwn(calibrators, name) ? { ...space, calibrator: calibrators[name] } : space;
  });
}
