import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { removeTemporary } from '../io/disk.js';
import type { Program, ProgramState } from '../engines/engine.js';
import { systemCode, UserError, userError } from '../core/errors.js';
import type { Fitted } from '../features/feature-types.js';
import { flatten } from '../core/flatten.js';
import { isTemporary } from '../io/temporary.js';
import { openTrackers, type TrackOptions } from '../track/trackers.js';
import { firstLoopState, loopSection } from '../training/loop-state.js';
import { parseState } from './checkpoint-state.js';
import { readNewestCheckpoint, restoreLinks, type Checkpoint } from './checkpoint.js';
import { LOCK, lockRun } from './lock.js';
import { FILES } from './manifest.js';
import { checkpointsFolder, listCheckpoints } from './retention.js';
import { originSection, type WarmStartSource } from './init-from.js';
import {
  createRunFolder,
  missingRun,
  namedFolder,
  pointLatest,
  removeRunFolder,
  runsFolder,
  type RunLocation,
} from './run-folder.js';
import { logSection, openRunLog, REJECTS, RESOLVED, RESULTS, SOURCE, type LogRequest, type RunLog } from './run-log.js';
import { createRunState, readSection, type RunState } from './run-state.js';
import { runPath, runsRoot, shownPath } from './runs-root.js';
import { runArtifacts } from './run-artifacts.js';
import { TrackedLog } from './tracked-log.js';

export interface RunRequest extends RunLocation, Omit<LogRequest, 'origin'> {
  readonly track: TrackOptions;
  /** Abort to stop waiting for another process's lock. */
  readonly signal?: AbortSignal | undefined;
  /** All values of the config. */
  readonly values: object;
  /** Directory of the run to resume, or `auto`. */
  readonly resume?: string | undefined;
  /**
   * Compares the stored config of the run with the current one.
   * @returns descriptions of the changes
   * @throws UserError for a key that cannot change
   */
  compareConfig(stored: string, path: string, state: RunState): readonly string[];
  /**
   * Resolves the source of a new run's weights, if they are not randomly initialized; called before anything is
   * written.
   * @throws UserError if the source is invalid
   */
  readonly resolveOrigin?: (() => Promise<WarmStartSource>) | undefined;
  /** Whether runs/latest points at a new run. Default: true. */
  readonly isLatest?: boolean;
}

/** Resumes the named run or the newest run of the config that is not completed. */
export const AUTO = 'auto';
/** Maximum number of reasons to report for a run that cannot be resumed. */
const MAX_REASONS = 3;

/** State of a resumed run's checkpoint. */
export interface Resumed {
  readonly checkpoint: string;
  /** State fitted on the training set before the first step. */
  readonly fitted: Fitted;
  readonly states: Checkpoint['states'];
  /**
   * Restores weights and optimizer state into a program. Works once: they are then released, because they may take half
   * of the memory.
   */
  restore(program: Pick<Program, 'restore'>): void;
}

/** A run directory, locked by this process. */
export interface OpenRun {
  readonly folder: string;
  readonly log: RunLog;
  readonly state: RunState;
  /** Undefined for a new run. */
  readonly resumed: Resumed | undefined;
  /** Names of unreadable checkpoints. */
  readonly damaged: readonly string[];
  /**
   * Marks the start of training, after which the run directory is kept; points runs/latest at a new run.
   * @param data facts about the data, for data.json
   * @throws UserError (disk)
   */
  begin(data: object): Promise<void>;
  /**
   * Checks that no other process took the run over; called before each save.
   * @throws UserError (usage)
   */
  check(): Promise<void>;
  /** Releases the lock. Removes the directory of a new run that never began, unless it lists invalid rows. */
  release(): Promise<void>;
}

/**
 * Creates a run or opens one to resume, and opens its log.
 * @param warn called with what was found
 * @throws UserError (usage) if the directory already exists or another process trains the run; (checkpoint) if there is
 * nothing to resume; (config) if the run was trained with an incompatible config; (disk)
 */
export async function openRun(request: RunRequest, warn: (warning: string) => void): Promise<OpenRun> {
  const { resume } = request;
  const existingFolder =
    resume === undefined ? undefined : resume === AUTO ? findUnfinished(request, warn) : resolveRun(resume);
  if (resume !== undefined && existingFolder === undefined) warn('no run to resume: starting a new one');
  const newOrigin = existingFolder === undefined ? await request.resolveOrigin?.() : undefined;
  const folder = existingFolder ?? (await createRunFolder(request));
  const root = runsRoot(request.runs);
  const lock = await lockRun(folder, warn, { signal: request.signal });
  let hasBegun = false;
  const release = async (): Promise<void> => {
    const isUnused =
      existingFolder === undefined &&
      !hasBegun &&
      !existsSync(checkpointsFolder(folder)) &&
      !existsSync(join(folder, REJECTS));
    if (isUnused) await removeRunFolder(folder, root);
    await lock.release();
  };
  try {
    const { state, resumed, damaged } =
      existingFolder === undefined
        ? { state: createRunState({}, folder), resumed: undefined, damaged: [] }
        : await resumeRun(folder, request, warn);
    const origin = newOrigin ?? (resumed === undefined ? await request.resolveOrigin?.() : undefined);
    if (origin !== undefined) state.of(originSection, () => origin);
    const log = await openLog(folder, { ...request, origin }, state, resumed === undefined, warn);
    const begin: OpenRun['begin'] = async (data) => {
      await log.begin(data);
      if (resumed === undefined && request.isLatest !== false) await pointLatest(folder, root);
      hasBegun = true;
    };
    return {
      folder,
      log,
      state,
      resumed,
      damaged,
      begin,
      check: () => lock.check(),
      release: () => log.release().finally(release),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Opens the log of a run, and its trackers. */
async function openLog(
  folder: string,
  request: RunRequest & { readonly origin: WarmStartSource | undefined },
  state: RunState,
  isNew: boolean,
  warn: (warning: string) => void,
): Promise<TrackedLog> {
  const position = state.of(logSection, () => ({ metricsBytes: 0 }));
  const log = await openRunLog(folder, request, position, isNew);
  const hparams = new Map([...flatten(request.values)].map(([key, text]) => [key, toHparam(text)]));
  const trackers = openTrackers(request.track, {
    folder,
    name: request.configName,
    hparams,
    getState: state.of,
    artifacts: () => runArtifacts(folder),
    warn,
  });
  return new TrackedLog(log, trackers);
}

/** Converts a config value from JSON for trackers, which take scalars; lists stay JSON. */
function toHparam(json: string): string | number | boolean {
  const value: unknown = JSON.parse(json);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : json;
}

async function resumeRun(
  run: string,
  { resume, compareConfig }: RunRequest,
  warn: (warning: string) => void,
): Promise<Pick<OpenRun, 'state' | 'resumed' | 'damaged'>> {
  for (const folder of [run, checkpointsFolder(run)]) await removeTemporary(folder);
  const { checkpoint, name, damaged } = await readNewestCheckpoint(run, warn);
  if (checkpoint === undefined) {
    if (resume !== AUTO)
      throw userError('checkpoint', {
        where: run,
        message: 'the run has no checkpoint yet',
        fix: `start a new run or use --resume ${AUTO}`,
      });
    warn(`${run} has no checkpoint yet: starting from the beginning`);
    return { state: createRunState({}, run), resumed: undefined, damaged };
  }
  const path = join(checkpointsFolder(run), name);
  const state = createRunState(checkpoint.sections, join(path, FILES.state));
  // Randomly initialized runs have no such section.
  if (Object.hasOwn(checkpoint.sections, originSection.name))
    state.of(originSection, () => readSection(checkpoint.sections, originSection, path));
  const changes = compareConfig(checkpoint.config, join(path, FILES.config), state);
  await restoreLinks(run, name);
  const { step, epoch, batch, bestEpoch } = state.of(loopSection, firstLoopState);
  const within = batch === 0 ? '' : ` and ${batch} batches of the next`;
  const best = bestEpoch === 0 ? 'no best epoch yet' : `best epoch: ${bestEpoch}`;
  warn(`resumed ${path} after ${step} steps: ${epoch} completed epochs${within}; ${best}`);
  for (const change of changes) warn(`changed ${change}`);
  return { state, resumed: resumedFrom(path, checkpoint), damaged };
}

/** Reads the state of a run's newest readable checkpoint, without tensors; undefined if there is none. */
export async function readSavedState(run: string): Promise<RunState | undefined> {
  const folder = checkpointsFolder(run);
  for (const name of await listCheckpoints(run)) {
    const path = join(folder, name, FILES.state);
    try {
      return createRunState(parseState(readFileSync(path, 'utf8'), path).sections, path);
    } catch (error) {
      // The open run reports it.
      if (!(error instanceof UserError) && systemCode(error) === undefined) throw error;
    }
  }
  return undefined;
}

/** Returns the state to resume from a checkpoint; its program state is read once. */
export function resumedFrom(path: string, { program: saved, fitted, states }: Checkpoint): Resumed {
  let program: ProgramState | undefined = saved;
  return {
    checkpoint: path,
    fitted,
    states,
    restore(target) {
      if (program !== undefined) target.restore(program);
      program = undefined;
    },
  };
}

/**
 * Finds the run to resume: the named one, if it exists, else the newest run of this config with a checkpoint and
 * without results.
 */
function findUnfinished(request: RunRequest, warn: (warning: string) => void): string | undefined {
  const namedRun = namedFolder(request);
  if (namedRun !== undefined) return existsSync(namedRun) ? resolveRun(namedRun) : undefined;
  const parent = runsFolder(request);
  const startedMs = (run: string): number => statSync(join(run, SOURCE), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const runs = existsSync(parent)
    ? readdirSync(parent)
        .map((name) => join(parent, name))
        .filter((run) => startedMs(run) > 0)
    : [];
  const unfinished = runs
    .filter((run) => !existsSync(join(run, RESULTS)) && existsSync(checkpointsFolder(run)))
    .sort((a, b) => startedMs(b) - startedMs(a));
  for (const run of unfinished) {
    const reason = explainRefusal(run, request);
    if (reason === undefined) return run;
    warn(`cannot resume ${run}: ${reason}`);
  }
  return undefined;
}

/** Explains why a run cannot be resumed with this config; undefined if it can. */
function explainRefusal(run: string, { compareConfig }: RunRequest): string | undefined {
  const path = join(run, RESOLVED);
  try {
    // No state is compared: moved files may have other content, and only a run that is named explicitly may use them.
    compareConfig(readFileSync(path, 'utf8'), path, createRunState({}, run));
    return undefined;
  } catch (error) {
    if (error instanceof UserError)
      return error.problems
        .map(({ key, message }) => [key, message].filter(Boolean).join(': '))
        .slice(0, MAX_REASONS)
        .join('; ');
    if (systemCode(error) !== undefined) return `cannot read ${path} (${systemCode(error)})`;
    throw error;
  }
}

/**
 * Resolves the directory of an existing run. Links are followed once, because runs/latest may move.
 * @throws UserError (usage) if it does not exist or is not a run
 */
function resolveRun(name: string): string {
  const path = runPath(name);
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  // A run that was killed at its start may contain only a lock and a temporary file.
  const isJustBegun = (): boolean => readdirSync(path).every((name) => name === LOCK || isTemporary(name));
  if (!isFolder || !(existsSync(join(path, SOURCE)) || existsSync(checkpointsFolder(path)) || isJustBegun())) {
    const problem = existsSync(path) ? { message: 'not a run directory' } : missingRun(path);
    throw userError('usage', {
      where: path,
      fix: `name a run, such as --resume runs/latest, or use --resume ${AUTO}`,
      ...problem,
    });
  }
  return shownPath(realpathSync(path));
}
