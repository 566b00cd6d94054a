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
import { checkpointsFolder, readNewestCheckpoint, restoreLinks, type Checkpoint } from './checkpoint.js';
import { LOCK, lockRun } from './lock.js';
import { FILES } from './manifest.js';
import { originSection, type WarmStartSource } from './init-from.js';
import {
  createRunFolder,
  missingRun,
  namedFolder,
  pointLatest,
  removeRunFolder,
  runsFolder,
  type RunPlace,
} from './run-folder.js';
import { logSection, openRunLog, REJECTS, RESOLVED, RESULTS, SOURCE, type LogRequest, type RunLog } from './run-log.js';
import { createRunState, readSection, type RunState } from './run-state.js';
import { runPath, runsRoot, shownPath } from './runs-root.js';
import { runArtifacts } from './run-artifacts.js';
import { trackedLog } from './tracked-log.js';

/** Which run is wanted, a new one or one that goes on, and what is asked of it. */
export interface RunRequest extends RunPlace, Omit<LogRequest, 'origin'> {
  /** Where else it is written down. */
  readonly track: TrackOptions;
  /** Aborted to give up while it is found out whether another process has the run. */
  readonly signal?: AbortSignal | undefined;
  /** Every value that the config says. */
  readonly values: object;
  /** The folder of a run that goes on, or AUTO. */
  readonly resume?: string | undefined;
  /**
   * Compares the config that the run was trained with to what is asked now.
   * @returns what changed, for people
   * @throws UserError for what may not change
   */
  compareConfig(stored: string, path: string, state: RunState): readonly string[];
  /**
   * Gives what a new run starts from, where its weights are not drawn; asked before anything is made.
   * @throws UserError where it cannot
   */
  readonly originOf?: (() => Promise<WarmStartSource>) | undefined;
}

/** Stands for the folder that is named or else the newest run of the config that has not ended. */
export const AUTO = 'auto';
/** Reasons why a run is not gone on with. */
const MAX_TOLD = 3;

/** What a run that goes on takes from its checkpoint. */
export interface Resumed {
  /** The checkpoint's folder. */
  readonly checkpoint: string;
  /** What was learned on train before the first step. */
  readonly fitted: Fitted;
  /**
   * Gives a program the weights and the optimizer's state. Once: they are forgotten then, since they may be half of the
   * memory.
   */
  restore(program: Pick<Program, 'restore'>): void;
}

/** A run's folder, this process's alone. */
export interface OpenRun {
  readonly folder: string;
  readonly log: RunLog;
  /** What the parts of the run have to remember. */
  readonly state: RunState;
  /** Where it goes on; undefined for a new run. */
  readonly resumed: Resumed | undefined;
  /** Names of its checkpoints that cannot be read. */
  readonly damaged: readonly string[];
  /**
   * The run takes its first step now: nothing can refuse it any more, its folder stays, and runs/latest points to a new
   * one.
   * @param data what is known of its data
   * @throws UserError (disk)
   */
  begin(data: object): Promise<void>;
  /**
   * Checks that no other process has taken it over; before what others may have written is written. @throws UserError
   * (usage)
   */
  check(): Promise<void>;
  /** Lets others have it. The folder of a new run that never began is taken away, unless bad rows are listed in it. */
  release(): Promise<void>;
}

/**
 * Makes the folder of a new run, or opens that of one that goes on, and its log.
 * @param tell told what was found
 * @throws UserError (usage) where the folder is in the way or another process has it; (checkpoint) where there is
 * nothing to
 *   go on from; (config) where it is another run's config; (disk)
 */
export async function openRun(request: RunRequest, warn: (notice: string) => void): Promise<OpenRun> {
  const { resume } = request;
  const found = resume === undefined ? undefined : resume === AUTO ? findUnfinished(request, warn) : existing(resume);
  if (resume !== undefined && found === undefined) warn('there is no run to resume: starting a new one');
  const originOfNew = found === undefined ? await request.originOf?.() : undefined;
  const folder = found ?? (await createRunFolder(request));
  const root = runsRoot(request.runs);
  const lock = await lockRun(folder, warn, { signal: request.signal });
  let hasBegun = false;
  const release = async (): Promise<void> => {
    const isOfNoUse =
      found === undefined && !hasBegun && !existsSync(checkpointsFolder(folder)) && !existsSync(join(folder, REJECTS));
    if (isOfNoUse) await removeRunFolder(folder, root);
    await lock.release();
  };
  try {
    const { state, resumed, damaged } =
      found === undefined
        ? { state: createRunState({}, folder), resumed: undefined, damaged: [] }
        : await goOn(folder, request, warn);
    const origin = originOfNew ?? (resumed === undefined ? await request.originOf?.() : undefined);
    if (origin !== undefined) state.of(originSection, () => origin);
    const plainLog = await openRunLog(
      folder,
      { ...request, origin },
      state.of(logSection, () => ({ metricsBytes: 0 })),
      resumed === undefined,
    );
    const hparams = new Map([...flatten(request.values)].map(([key, text]) => [key, hparamOf(text)]));
    const tracked = trackedLog(
      plainLog,
      openTrackers(request.track, {
        folder,
        name: request.configName,
        hparams,
        stateOf: state.of,
        artifacts: () => runArtifacts(folder),
        warn,
      }),
    );
    const { log } = tracked;
    const begin: OpenRun['begin'] = async (data) => {
      await log.begin(data);
      if (resumed === undefined) await pointLatest(folder, root);
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
      release: () => tracked.release().finally(release),
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** A value of a config, from JSON, as other tools take it: a list as a text. */
function hparamOf(json: string): string | number | boolean {
  const value: unknown = JSON.parse(json);
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : json;
}

/** The checkpoint from which a run goes on, and what there is to say about it. */
async function goOn(
  run: string,
  { resume, compareConfig }: RunRequest,
  warn: (notice: string) => void,
): Promise<Pick<OpenRun, 'state' | 'resumed' | 'damaged'>> {
  for (const folder of [run, checkpointsFolder(run)]) await removeTemporary(folder);
  const { checkpoint, name, damaged } = await readNewestCheckpoint(run, warn);
  if (checkpoint === undefined) {
    if (resume !== AUTO)
      throw userError('checkpoint', {
        where: run,
        message: 'has no checkpoint yet',
        fix: `train it anew, or write --resume ${AUTO}`,
      });
    warn(`${run} has no checkpoint yet: starting it anew`);
    return { state: createRunState({}, run), resumed: undefined, damaged };
  }
  const path = join(checkpointsFolder(run), name);
  const state = createRunState(checkpoint.sections, join(path, FILES.state));
  // Of a run whose weights were drawn there is none.
  if (Object.hasOwn(checkpoint.sections, originSection.name))
    state.of(originSection, () => readSection(checkpoint.sections, originSection, path));
  const changes = compareConfig(checkpoint.config, join(path, FILES.config), state);
  await restoreLinks(run, name);
  const { step, epoch, batch, bestEpoch } = state.of(loopSection, firstLoopState);
  const within = batch === 0 ? '' : `, and ${batch} batches of the next`;
  warn(
    `resumed ${path}: ${step} steps and ${epoch} epochs are behind${within}; ${bestEpoch === 0 ? 'no epoch is best yet' : `epoch ${bestEpoch} is the best`}`,
  );
  for (const change of changes) warn(`changed ${change}`);
  return { state, resumed: resumedFrom(path, checkpoint), damaged };
}

/** What a run that goes on takes from a checkpoint that was read. */
export function resumedFrom(path: string, { program: saved, fitted }: Checkpoint): Resumed {
  let program: ProgramState | undefined = saved;
  return {
    checkpoint: path,
    fitted,
    restore(into) {
      if (program !== undefined) into.restore(program);
      program = undefined;
    },
  };
}

/**
 * The folder that is named, if it is there; else the newest run of the config without results, if it has a checkpoint
 * and was trained with this config.
 */
function findUnfinished(request: RunRequest, warn: (notice: string) => void): string | undefined {
  const named = namedFolder(request);
  if (named !== undefined) return existsSync(named) ? existing(named) : undefined;
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
    const reason = refusalOf(run, request);
    if (reason === undefined) return run;
    warn(`${run} has not ended, and is not gone on with: ${reason}`);
  }
  return undefined;
}

/** Why a run is not the one that is asked for; undefined where it is. */
function refusalOf(run: string, { compareConfig }: RunRequest): string | undefined {
  const path = join(run, RESOLVED);
  try {
    // Files that moved may hold something else: who means them names the run.
    compareConfig(readFileSync(path, 'utf8'), path, createRunState({}, run));
    return undefined;
  } catch (error) {
    if (error instanceof UserError)
      return error.problems
        .map(({ key, message }) => [key, message].filter(Boolean).join(': '))
        .slice(0, MAX_TOLD)
        .join('; ');
    if (systemCode(error) !== undefined) return `${path} cannot be read (${systemCode(error)})`;
    throw error;
  }
}

/**
 * The folder of a run that exists, with links followed: what runs/latest points to may change.
 * @throws UserError (usage) where there is none, or another thing
 */
function existing(named: string): string {
  const path = runPath(named);
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  // A run that died at its start may have left no more than its folder, a lock and half a write.
  const isJustBegun = (): boolean => readdirSync(path).every((name) => name === LOCK || isTemporary(name));
  if (!isFolder || !(existsSync(join(path, SOURCE)) || existsSync(checkpointsFolder(path)) || isJustBegun())) {
    const problem = existsSync(path) ? { message: 'is no folder of a run' } : missingRun(path);
    throw userError('usage', {
      where: path,
      fix: `name a run, as in --resume runs/latest, or write --resume ${AUTO}`,
      ...problem,
    });
  }
  return shownPath(realpathSync(path));
}
