import { devNull } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from '../clock.js';
import { userError } from '../errors.js';
import type { Peers } from '../peers.js';
import { readCheckpoint } from './checkpoint.js';
import { FILES } from './manifest.js';
import { openRun, resumedFrom, type OpenRun, type RunRequest } from './open-run.js';
import { metricsOf, resultOf, type RunLog } from './run-log.js';
import { createRunState } from './run-state.js';

export type { RunRequest };

/**
 * Opens the run that several processes train: the first of them makes or finds its folder and writes all that is written there, the
 * others read the checkpoint that it goes on from.
 * @param tell told what was found
 * @throws UserError as `openRun` does; (config) for a run that starts from another's weights
 */
export async function openSharedRun(request: RunRequest, peers: Peers, tell: (notice: string) => void): Promise<OpenRun> {
  if (peers.size > 1 && request.originOf !== undefined) {
    throw userError('config', { key: 'initFrom', message: 'a run of several processes cannot start from the weights of another', fix: 'leave it out, or train with one process' });
  }
  const own = peers.rank === 0 ? await openRun(request, tell) : undefined;
  const told = peers.texts(own === undefined ? '' : JSON.stringify({ folder: own.folder, checkpoint: own.resumed?.checkpoint ?? null }));
  return own ?? follow(JSON.parse(told[0]!) as Followed); // what the first has made of it
}

interface Followed {
  readonly folder: string;
  readonly checkpoint: string | null;
}

/** A run that another process writes. */
async function follow({ folder, checkpoint: path }: Followed): Promise<OpenRun> {
  const checkpoint = path === null ? undefined : await readCheckpoint(path, true);
  const state = createRunState(checkpoint?.sections ?? {}, path === null ? folder : join(path, FILES.state));
  return {
    folder,
    log: silentLog(folder),
    // What is saved is the first one's.
    state: { of: state.of, sections: () => ({}) },
    resumed: path === null || checkpoint === undefined ? undefined : resumedFrom(path, checkpoint),
    damaged: [],
    begin: () => Promise.resolve(),
    release: () => Promise.resolve(),
  };
}

/** A log that writes nothing, and finds what the other does. */
function silentLog(run: string): RunLog {
  const startMs = monotonicMs();
  return {
    rejectsPath: devNull,
    begin: () => Promise.resolve(),
    event: () => undefined,
    failure: () => undefined,
    milestone: () => Promise.resolve(),
    steps: () => undefined,
    diagnosis: () => undefined,
    results: (best, found) => Promise.resolve(metricsOf(best, found)),
    end: (facts, loop) => Promise.resolve(resultOf({ run, changes: [], startMs }, facts, loop)),
  };
}
