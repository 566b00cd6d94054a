import { z } from 'zod';

/** What chooses the best epoch, and when to stop. */
export interface StoppingOptions {
  readonly goal: 'higher' | 'lower';
  /** Epochs without progress before training stops; undefined never stops it. */
  readonly patience: number | undefined;
  /** Progress smaller than this does not count. */
  readonly minDelta: number;
}

/** What has to be remembered from epoch to epoch; values are null where nothing could be measured yet. */
export const stoppingStateSchema = z.strictObject({
  /** The best value so far. */
  best: z.number().nullable(),
  /** The value that progress is measured from: the last one that counted as progress. */
  mark: z.number().nullable(),
  epochsWithoutProgress: z.int().min(0),
});
export type StoppingState = z.output<typeof stoppingStateSchema>;

/** Follows a value over epochs. */
export interface Stopping {
  readonly goal: StoppingOptions['goal'];
  /**
   * @param value null where the epoch has none: it is no progress
   * @returns whether it is the best so far, by however little
   */
  observe(value: number | null): boolean;
  shouldStop(): boolean;
  state(): StoppingState;
}

/**
 * Early stopping as Prechelt (1998) describes it: stop after some epochs in a row without progress on valid.
 * @param state where an earlier one stood
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
