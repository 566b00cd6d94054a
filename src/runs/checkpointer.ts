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

/** Saves checkpoints of a run on the config's schedule; rejects non-finite values (diverged). */
export interface Checkpointer {
  /**
   * Returns a save function if a step or time interval within the epoch has elapsed after `step` steps, else undefined.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  /** Saves if the epoch schedule requires it or any monitored metric is the best so far. */
  atMilestone(milestone: ValidationEvent): Promise<void>;
  /** Saves unless the current position is already saved. */
  now(): Promise<void>;
}

export interface CheckpointerOptions extends CheckpointOptions {
  readonly run: Pick<OpenRun, 'folder' | 'resumed' | 'damaged' | 'check'>;
  readonly loop: LoopState;
  readonly goals: MetricDirections;
  /** The ranks that save together. */
  readonly peers: ProcessGroup;
  snapshot(): Promise<Checkpoint>;
}

/**
 * Opens a checkpointer.
 * @param warn called if the checkpoints may fill the disk
 * @throws UserError (disk) if not even one checkpoint fits; (checkpoint) if the resumed one has an unknown section
 */
export async function openCheckpointer(
  options: CheckpointerOptions,
  warn: (warning: string) => void,
): Promise<Checkpointer> {
  const { loop, snapshot, everyEpochs, everySteps, everyMinutes, keepLast, bestBy, goals, peers } = options;
  const { folder, resumed, damaged } = options.run;
  const position = (): string => `${loop.epoch} ${loop.batch}`;
  let savedMs = monotonicMs();
  let saved = resumed !== undefined ? { position: position(), step: loop.step } : undefined;
  // Clocks differ between ranks, so they agree by an all-reduce. A time read just after a save counts as before it
  // until the next step.
  const isTime =
    everyMinutes === undefined
      ? () => false
      : peers.allReduceAnyWithSum(() => monotonicMs() - savedMs >= everyMinutes * 60_000);

  const bytes = checkpointBytes(await snapshot());
  await checkRoom(folder, bytes, 'a checkpoint');
  const maxBytes = maxCheckpoints({ keepLast, bestBy }) * bytes;
  const availableBytes = await freeBytes(folder);
  if (availableBytes < maxBytes)
    warn(`checkpoints may require up to ${maxBytes} bytes, but ${availableBytes} are free on this disk`);

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
