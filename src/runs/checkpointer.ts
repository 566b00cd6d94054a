import { monotonicMs } from '../system/clock.js';
import { checkRoom, freeBytes } from '../io/disk.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { ProcessGroup } from '../core/process-group.js';
import { observeBests } from '../training/followed-metrics.js';
import type { ValidationEvent } from '../training/loop.js';
import type { LoopState } from '../training/loop-state.js';
import { checkpointBytes, saveCheckpoint, type Checkpoint, type CheckpointLink } from './checkpoint.js';
import type { OpenRun } from './open-run.js';
import type { CheckpointOptions } from './options.js';
import { maxCheckpoints } from './disk-usage.js';

/** Saves a run as it goes, when its config says so; what holds a number that is not finite is refused (diverged). */
export interface Checkpointer {
  /** What saves where an interval within the epoch is over when `step` steps were taken; undefined where none is. */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  /** Saves what stands at a milestone, if it is due or the best by anything. */
  atMilestone(milestone: ValidationEvent): Promise<void>;
  /** Saves what stands, unless that is done. */
  now(): Promise<void>;
}

/** What a saver works with. */
export interface CheckpointerOptions extends CheckpointOptions {
  readonly run: Pick<OpenRun, 'folder' | 'resumed' | 'damaged' | 'check'>;
  /** Where training stands. */
  readonly loop: LoopState;
  /** Which way what is followed is better. */
  readonly goals: MetricDirections;
  /** The processes that save together. */
  readonly peers: ProcessGroup;
  /** All that is saved. */
  snapshot(): Promise<Checkpoint>;
}

/**
 * Makes a saver.
 * @param tell told where the disk will be full before long
 * @throws UserError (disk) where there is no room for a single checkpoint; (checkpoint) where it goes on from one with
 * a
 *   section that is no part's
 */
export async function openCheckpointer(
  options: CheckpointerOptions,
  warn: (notice: string) => void,
): Promise<Checkpointer> {
  const { loop, snapshot, everyEpochs, everySteps, everyMinutes, keepLast, bestBy, goals, peers } = options;
  const { folder, resumed, damaged } = options.run;
  const position = (): string => `${loop.epoch} ${loop.batch}`;
  let savedMs = monotonicMs();
  let saved = resumed !== undefined ? { position: position(), step: loop.step } : undefined;
  // Clocks differ, so the processes agree; what they read after a save is of before it until the next step.
  const isTime =
    everyMinutes === undefined
      ? () => false
      : peers.allReduceAnyWithSum(() => monotonicMs() - savedMs >= everyMinutes * 60_000);

  const bytes = checkpointBytes(await snapshot());
  await checkRoom(folder, bytes, 'a checkpoint');
  const most = maxCheckpoints({ keepLast, bestBy }) * bytes;
  const free = await freeBytes(folder);
  if (free < most) warn(`checkpoints may come to need ${most} bytes, ${free} are free on this disk`);

  const save = async (links: readonly CheckpointLink[]): Promise<void> => {
    await options.run.check();
    await saveCheckpoint(folder, await snapshot(), links, { keepLast, damaged }, peers);
    saved = { position: position(), step: loop.step };
    savedMs = monotonicMs();
  };
  return {
    beforeStep(step) {
      const isStep = everySteps !== undefined && step > 0 && step % everySteps === 0 && saved?.step !== step;
      return (isTime() && saved?.position !== position()) || isStep ? () => save(['last']) : undefined;
    },
    async atMilestone({ epoch, isEpochEnd, isBest, valid }) {
      const best = valid === undefined ? [] : observeBests(valid, bestBy, loop.bests, goals);
      const links = [...(isBest ? ['best' as const] : []), ...best.map((monitor) => `best-${monitor}` as const)];
      if (links.length > 0 || (isEpochEnd && epoch % everyEpochs === 0)) await save([...links, 'last']);
    },
    async now() {
      if (saved?.position !== position()) await save(['last']);
    },
  };
}
