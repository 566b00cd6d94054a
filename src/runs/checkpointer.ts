import { join } from 'node:path';
import type { SavedState } from '../io/saved-state.js';
import { monotonicMs } from '../system/clock.js';
import { checkRoom, freeBytes } from '../io/disk.js';
import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { ProcessGroup } from '../core/process-group.js';
import { observeBests } from '../training/followed-metrics.js';
import type { ValidationEvent } from '../training/loop.js';
import type { LoopState } from '../training/loop-state.js';
import type { ProgramState } from '../engines/engine.js';
import type { RowJournal } from '../tables/row-journal.js';
import { saveCheckpoint, type Checkpoint, type CheckpointLink } from './checkpoint.js';
import { contentBytes, fullContents, programBytes } from './checkpoint-contents.js';
import { readChain, selectChanges, type Delta, type SavedChanges } from './delta.js';
import { FILES, isCompacted, type CheckpointFolder, type CheckpointId } from './manifest.js';
import type { OpenRun } from './open-run.js';
import type { CheckpointOptions } from './options.js';
import { maxCheckpoints } from './disk-usage.js';
import { checkpointsFolder } from './retention.js';
import type { StateChanges } from './states.js';
import { bytes as sizeText } from '../text/number-text.js';

/** A state that training changes. */
type ChangingState = Pick<SavedState, 'changes' | 'markSaved'>;

/** Saves checkpoints of a run on the config's schedule; rejects non-finite values (diverged). */
export interface Checkpointer {
  /**
   * Returns a save function if a step or time interval within the epoch has elapsed after `step` steps, else undefined.
   */
  beforeStep(step: number): (() => Promise<void>) | undefined;
  /** Returns the time until `now` has to be called if no step follows; undefined if nothing is unsaved. */
  dueInMs(): number | undefined;
  /** Saves if the epoch schedule requires it or any monitored metric is the best so far. */
  atMilestone(milestone: ValidationEvent): Promise<void>;
  /** Saves unless the current position is already saved. */
  now(): Promise<void>;
}

/** When checkpoints are saved, and how many are kept. */
export interface CheckpointSchedule extends CheckpointOptions {
  /** Whether intervals in minutes are longer if saves would take more than a tenth of the time. Default: false. */
  readonly isPaced?: boolean;
}

export interface CheckpointerOptions extends CheckpointSchedule {
  readonly run: Pick<OpenRun, 'folder' | 'resumed' | 'damaged' | 'check'>;
  readonly loop: LoopState;
  readonly goals: MetricDirections;
  /** The ranks that save together. */
  readonly peers: ProcessGroup;
  /** Rows that steps changed since the last save; required by deltas. */
  readonly journal?: RowJournal | undefined;
  /** States that training changes, of which `snapshot` marks what a checkpoint has. Default: none. */
  readonly states?: { readonly [Name in keyof StateChanges]: ChangingState } | undefined;
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
  const { loop, snapshot, everyEpochs, keepLast, bestBy, goals, peers } = options;
  const { folder, resumed, damaged } = options.run;
  const position = (): string => `${loop.epoch} ${loop.batch}`;
  let saved = resumed !== undefined ? { position: position(), step: loop.step } : undefined;
  const deltas = await DeltaChain.open(options);
  const intervals = new Intervals(options);

  await checkDiskSpace(folder, contentBytes(fullContents(await snapshot())), options, warn);

  const save = async (links: readonly CheckpointLink[], isDelta: boolean): Promise<void> => {
    const startMs = monotonicMs();
    await options.run.check();
    const checkpoint = await snapshot();
    const changes = deltas.select(checkpoint.program, isDelta);
    const id = await saveCheckpoint(folder, checkpoint, links, { keepLast, damaged }, peers, changes);
    deltas.add(id, checkpoint.program, changes.delta);
    saved = { position: position(), step: loop.step };
    intervals.restart(changes.delta === undefined, startMs);
  };
  return {
    beforeStep(step) {
      const kind = step > 0 && saved?.step !== step ? intervals.atStep(step) : undefined;
      if (kind !== undefined) return () => save(['last'], kind === 'delta');
      if (!intervals.isTime() || saved?.position === position()) return undefined;
      return () => save(['last'], intervals.agreeOnDelta());
    },
    dueInMs: () => (saved?.position === position() ? undefined : intervals.dueInMs()),
    async atMilestone({ epoch, isEpochEnd, isBest, valid }) {
      const best = valid === undefined ? [] : observeBests(valid, bestBy, loop.bests, goals);
      const links = [...(isBest ? ['best' as const] : []), ...best.map((monitor) => `best-${monitor}` as const)];
      if (links.length > 0 || (isEpochEnd && epoch % everyEpochs === 0)) await save([...links, 'last'], false);
    },
    async now() {
      if (saved?.position !== position()) await save(['last'], true);
    },
  };
}

/** Checks that a checkpoint fits on the disk, and warns if not all of them do. */
async function checkDiskSpace(
  folder: string,
  bytes: number,
  options: CheckpointOptions,
  warn: (warning: string) => void,
): Promise<void> {
  await checkRoom(folder, bytes, 'a checkpoint');
  const maxBytes = maxCheckpoints(options) * bytes;
  const availableBytes = await freeBytes(folder);
  if (availableBytes < maxBytes)
    warn(`checkpoints may require up to ${sizeText(maxBytes)}, but ${sizeText(availableBytes)} are free on this disk`);
}

/** Time without a step after which steps are saved, so that a server has them although no record follows. */
const QUIET_MS = 1000;

/** Pauses between saves, relative to the time that a save takes. */
const PAUSE_FACTOR = 9;

/** The intervals of a schedule within an epoch. */
class Intervals {
  readonly #options: CheckpointerOptions;
  /** Returns whether the time of a rank is over. */
  readonly isTime: () => boolean;
  #savedMs = monotonicMs();
  #fullMs = this.#savedMs;
  /** End of the pause after the last save. */
  #pausedUntilMs = 0;

  constructor(options: CheckpointerOptions) {
    const { everyMinutes, delta, peers } = options;
    this.#options = options;
    // Clocks differ between ranks, so they agree by an all-reduce. A time read just after a save counts as before it
    // until the next step.
    this.isTime =
      everyMinutes === undefined && delta?.everyMinutes === undefined
        ? () => false
        : peers.allReduceAnyWithSum(() => this.#isFullTime() || this.#isOver(this.#savedMs, delta?.everyMinutes));
  }

  /** Returns what to save after `step` steps, if the schedule has steps. */
  atStep(step: number): 'full' | 'delta' | undefined {
    const { everySteps, delta } = this.#options;
    if (isMultiple(step, everySteps)) return 'full';
    return isMultiple(step, delta?.everySteps) ? 'delta' : undefined;
  }

  /** Returns whether the time that is over is the time of a delta, in all ranks. */
  agreeOnDelta(): boolean {
    const { delta, peers } = this.#options;
    return delta?.everyMinutes !== undefined && !peers.allReduceAny(this.#isFullTime());
  }

  /** Returns the time until unsaved steps are saved if no step follows. */
  dueInMs(): number {
    const { everyMinutes, delta } = this.#options;
    const nowMs = monotonicMs();
    const dueMs = Math.min(
      Math.max(nowMs + QUIET_MS, this.#pausedUntilMs),
      this.#endMs(this.#fullMs, everyMinutes),
      this.#endMs(this.#savedMs, delta?.everyMinutes),
    );
    return Math.max(0, dueMs - nowMs);
  }

  /** Begins the intervals after a save that began at `startMs`. */
  restart(isFull: boolean, startMs: number): void {
    this.#savedMs = monotonicMs();
    this.#pausedUntilMs = this.#savedMs + PAUSE_FACTOR * (this.#savedMs - startMs);
    if (isFull) this.#fullMs = this.#savedMs;
  }

  #isFullTime(): boolean {
    return this.#isOver(this.#fullMs, this.#options.everyMinutes);
  }

  #isOver(sinceMs: number, minutes: number | undefined): boolean {
    return monotonicMs() >= this.#endMs(sinceMs, minutes);
  }

  #endMs(sinceMs: number, minutes: number | undefined): number {
    if (minutes === undefined) return Infinity;
    return Math.max(sinceMs + minutes * 60_000, this.#options.isPaced === true ? this.#pausedUntilMs : 0);
  }
}

function isMultiple(step: number, every: number | undefined): boolean {
  return every !== undefined && step % every === 0;
}

/** Maximum number of deltas after a full checkpoint: each one lists those before it. */
const MAX_SEGMENTS = 1000;

type ChainOptions = Pick<CheckpointerOptions, 'run' | 'journal' | 'states' | 'peers'>;

/** The last full checkpoint and the deltas after it. */
class DeltaChain {
  readonly #options: ChainOptions;
  /** In order, with the bytes of deltas. */
  #chain: readonly { readonly id: CheckpointId; readonly bytes: number }[] = [];
  #fullBytes = 0;

  private constructor(options: ChainOptions) {
    this.#options = options;
  }

  /**
   * Continues the chain of the checkpoint that a training on a stream resumes from. Others have no `states`: they read
   * their data again, and may fit or count something else.
   */
  static async open(options: ChainOptions): Promise<DeltaChain> {
    const chain = new DeltaChain(options);
    const { run, states } = options;
    if (run.resumed === undefined || states === undefined) return chain;
    const { ids, base, deltas } = await readChain(run.resumed.checkpoint);
    chain.#chain = [base, ...deltas].map((each, i) => ({ id: ids[i]!, bytes: storedBytes(each) }));
    chain.#fullBytes = storedBytes(base);
    return chain;
  }

  /**
   * Selects the changes since the last checkpoint. Not as a delta if the deltas would be larger than the full
   * checkpoint before them: reading them takes at most twice the time of a full one. As a segment if that is at most
   * half of a full checkpoint.
   */
  select(program: ProgramState, isDelta: boolean): SavedChanges {
    const { journal, states = {}, peers } = this.#options;
    this.#dropCompacted();
    const [base, ...segments] = this.#chain;
    if (journal === undefined || base === undefined) return {};
    // Each rank would write its part of a segment.
    if (!isDelta && peers.size > 1) return {};
    const changes: StateChanges = Object.fromEntries(
      Object.entries(states).map(([name, state]) => [name, state.changes()]),
    );
    const before = [base.id, ...segments.map(({ id }) => id)] as const;
    const delta = selectChanges(program, journal.rows(), before, peers, changes);
    const bytes = programBytes(delta.program);
    const allBytes = segments.reduce((sum, each) => sum + each.bytes, bytes);
    const isTooLong = allBytes > this.#fullBytes || segments.length >= MAX_SEGMENTS;
    if (isDelta && !peers.allReduceAny(isTooLong)) return { delta };
    return peers.size === 1 && 2 * bytes <= this.#fullBytes ? { segment: delta } : {};
  }

  /** Adds a saved checkpoint. */
  add(id: CheckpointId, program: ProgramState, delta: Delta | undefined): void {
    const { journal, states = {} } = this.#options;
    journal?.clear();
    for (const state of Object.values(states)) state.markSaved();
    const saved = { id, bytes: programBytes(delta?.program ?? program) };
    if (delta === undefined) [this.#fullBytes, this.#chain] = [saved.bytes, [saved]];
    else this.#chain = [...this.#chain, saved];
  }

  /** Removes the checkpoints before the last one that another process compacted: it is the base of later ones. */
  #dropCompacted(): void {
    const folder = checkpointsFolder(this.#options.run.folder);
    const compacted = this.#chain.findLastIndex(({ id }) => isCompacted(join(folder, id.name)));
    this.#chain = this.#chain.slice(Math.max(0, compacted));
  }
}

/** Returns the size of weights and optimizer state in files, in bytes. */
function storedBytes({ manifest: { files, parts } }: CheckpointFolder): number {
  const digests = [files, ...parts].flatMap((each) => [each[FILES.weights], each[FILES.optimizer]]);
  return digests.reduce((sum, digest) => sum + (digest?.bytes ?? 0), 0);
}
