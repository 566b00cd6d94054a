import { z } from 'zod';

/** Options of model selection and early stopping. */
export interface StoppingOptions {
  readonly goal: 'higher' | 'lower';
  /** Epochs without improvement before training stops; undefined: never. */
  readonly patience: number | undefined;
  readonly minDelta: number;
}

/** Schema of the state between epochs; values are null before the first measurement. */
export const stoppingStateSchema = z.strictObject({
  /** Best value so far. */
  best: z.number().nullable(),
  /** Baseline of improvement: the last value that counted as an improvement. */
  mark: z.number().nullable(),
  epochsWithoutProgress: z.int().min(0),
});
export type StoppingState = z.output<typeof stoppingStateSchema>;

/** Follows a value over epochs. */
export interface Stopping {
  readonly goal: StoppingOptions['goal'];
  /**
   * @param value null if the epoch has none, which is no improvement
   * @returns whether it is the best so far, by any margin
   */
  observe(value: number | null): boolean;
  shouldStop(): boolean;
  state(): StoppingState;
}

/**
 * Creates early stopping (Prechelt 1998): stops after some epochs in a row without improvement on the validation set.
 * @param state of a previous one
 */
export function createStopping({ goal, patience, minDelta }: StoppingOptions, state: StoppingState): Stopping {
  const sign = goal === 'higher' ? 1 : -1;
  const isBeyond = (value: number | null, other: number | null, by: number): value is number =>
    value !== null && (other === null || sign * (value - other) > by);

  return {
    goal,
    state: () => state,
    observe(value) {
      const isBest = isBeyond(value, state.best, 0);
      const isProgress = isBeyond(value, state.mark, minDelta);
      state = {
        best: isBest ? value : state.best,
        mark: isProgress ? value : state.mark,
        epochsWithoutProgress: isProgress ? 0 : state.epochsWithoutProgress + 1,
      };
      return isBest;
    },
    shouldStop: () => patience !== undefined && state.epochsWithoutProgress >= patience,
  };
}
