import { z } from 'zod';
import { findOneClass } from '../ranked.js';
import type { Scores } from '../scores.js';
import { findPredictedOutput, type Output } from '../outputs.js';
import type { StateSection } from '../../core/state-section.js';
import { calibratorSchema, type Calibrator } from './curve.js';
import { resolveMethods, type CalibrationSection } from './options.js';

const stateSchema = z.strictObject({
  /** Number of optimizer steps of the weights to which it was fitted; it is invalid for others. */
  step: z.int().min(0),
  /** One entry per output. */
  calibrators: z.record(z.string(), calibratorSchema),
});
type CalibrationState = z.output<typeof stateSchema>;

/** Section of a checkpoint. */
export const calibrationState: StateSection<CalibrationState> = {
  name: 'calibration',
  version: 1,
  schema: stateSchema,
};

/** Calibrates a model after each validation, so that every checkpoint contains the calibrators of its weights. */
export interface Calibration {
  /**
   * Fits calibrators to the predictions on the validation set and returns its argument.
   * @param step number of optimizer steps of the weights
   */
  fitted<Found extends WithScores>(result: Found, step: number): Found;
  /** Returns the outputs with the calibrators of the last fit. */
  calibrated(): readonly Output[];
}

/** An evaluation result that can provide the scores of an output. */
interface WithScores {
  scores(output: Output): Scores;
}

/** Dependencies of a calibration. */
export interface CalibrationOptions {
  /** From the config; without it, calibration does nothing. */
  readonly section: CalibrationSection | undefined;
  readonly outputs: readonly Output[];
  /** Stores a component's state with the run. */
  stateOf<State extends object>(section: StateSection<State>, first: () => State): State;
}

/**
 * Creates the calibration of a run.
 * @param warn receives a warning per output that cannot be calibrated, once each
 */
export function createCalibration(
  { section, outputs, stateOf }: CalibrationOptions,
  warn: (warning: string) => void,
): Calibration {
  if (section === undefined) return { fitted: (result) => result, calibrated: () => outputs };
  const state = stateOf(calibrationState, () => ({ step: 0, calibrators: {} }));
  const warnedOutputs = new Set<string>();
  return {
    fitted(result, step) {
      const calibrators: Record<string, Calibrator> = {};
      for (const { output, method, fit } of resolveMethods(section, outputs)) {
        const ranked = result.scores(output).ranked();
        const noValue = findOneClass(ranked);
        if (noValue === undefined) calibrators[output.name] = { method, curve: fit(ranked) };
        else if (!warnedOutputs.has(output.name))
          warn(`${output.name} is not calibrated: the validation set has ${noValue.reason}`);
        if (noValue !== undefined) warnedOutputs.add(output.name);
      }
      Object.assign(state, { step, calibrators });
      return result;
    },
    calibrated: () => withCalibrators(outputs, state.calibrators),
  };
}

/** Attaches calibrators to outputs; an output uses the calibrator of the output with the same prediction. */
export function withCalibrators(
  outputs: readonly Output[],
  calibrators: Readonly<Record<string, Calibrator>>,
): readonly Output[] {
  return outputs.map((output) => {
    const { name } = findPredictedOutput(output, outputs);
    return Object.hasOwn(calibrators, name) ? { ...output, calibrator: calibrators[name] } : output;
  });
}
