/** What chooses the best epoch, and when to stop. */
export interface StoppingOptions {
  readonly goal: 'higher' | 'lower';
  /** Epochs without progress before training stops; undefined never stops it. */
  readonly patience: number | undefined;
  /** Progress smaller than this does not count. */
  readonly minDelta: number;
}

/** What one epoch's value means. */
export interface Verdict {
  /** The best value so far, by however little. */
  readonly isBest: boolean;
  readonly shouldStop: boolean;
}

/** Follows a value over epochs. */
export interface Stopping {
  /** @param value null where the epoch has none: it is no progress */
  observe(value: number | null): Verdict;
  readonly best: number | null;
  readonly epochsWithoutProgress: number;
}

/** Early stopping as Prechelt (1998) describes it: stop after some epochs in a row without progress on valid. */
export function createStopping({ goal, patience, minDelta }: StoppingOptions): Stopping {
  const sign = goal === 'higher' ? 1 : -1;
  let best: number | null = null;
  /** The value that progress is measured from. */
  let mark = -Infinity;
  let epochsWithoutProgress = 0;
  return {
    get best() {
      return best;
    },
    get epochsWithoutProgress() {
      return epochsWithoutProgress;
    },
    observe(value) {
      const isBest = value !== null && (best === null || sign * (value - best) > 0);
      if (isBest) best = value;
      const isProgress = value !== null && sign * value > mark + minDelta;
      if (isProgress) mark = sign * value;
      epochsWithoutProgress = isProgress ? 0 : epochsWithoutProgress + 1;
      return { isBest, shouldStop: patience !== undefined && epochsWithoutProgress >= patience };
    },
  };
}
