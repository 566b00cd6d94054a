import { devNull } from 'node:os';
import { join } from 'node:path';
import { monotonicMs } from '../system/clock.js';
import { userError } from '../core/errors.js';
import type { ProcessGroup } from '../core/process-group.js';
import { readCheckpoint } from './checkpoint.js';
import { FILES } from './manifest.js';
import type { WarmStartSource } from './init-from.js';
import { openRun, resumedFrom, type OpenRun, type RunRequest } from './open-run.js';
import { collectMetrics, buildResult, type RunLog } from './run-log.js';
import { createRunState } from './run-state.js';

export type { RunRequest };

/**
 * Opens a run that several ranks train together. Rank 0 creates or finds the run directory and writes all files. The
 * other ranks read the checkpoint to resume or start from.
 * @param warn called with what was found
 * @throws UserError as `openRun` does; (checkpoint) if a rank finds other initial weights than rank 0
 */
export async function openDistributedRun(
  request: RunRequest,
  peers: ProcessGroup,
  warn: (warning: string) => void,
): Promise<OpenRun> {
  let origin: WarmStartSource | undefined;
  const resolveOrigin = request.resolveOrigin && (async () => (origin = await request.resolveOrigin!()));
  const ownRun = peers.rank === 0 ? await openRun({ ...request, resolveOrigin: resolveOrigin }, warn) : undefined;
  const messages = peers.allGatherStrings(
    ownRun === undefined
      ? ''
      : JSON.stringify({
          folder: ownRun.folder,
          checkpoint: ownRun.resumed?.checkpoint ?? null,
          origin: origin ?? null,
        }),
  );
  if (ownRun !== undefined) return ownRun;
  const first = JSON.parse(messages[0]!) as Followed;
  if (first.origin !== null && (await resolveOrigin?.())?.sha256 !== first.origin.sha256) {
    throw userError('checkpoint', {
      key: 'initFrom',
      message: `rank ${peers.rank} has another checkpoint than rank 0 at ${first.origin.checkpoint}`,
      fix: 'name a directory with the same content on all machines',
    });
  }
  return follow(first);
}

interface Followed {
  readonly folder: string;
  readonly checkpoint: string | null;
  readonly origin: WarmStartSource | null;
}

/** Opens a run that rank 0 writes. */
async function follow({ folder, checkpoint: path }: Followed): Promise<OpenRun> {
  const checkpoint = path === null ? undefined : await readCheckpoint(path, { withOptimizer: true });
  const state = createRunState(checkpoint?.sections ?? {}, path === null ? folder : join(path, FILES.state));
  return {
    folder,
    log: silentLog(folder),
    // Only rank 0 saves state.
    state: { of: state.of, sections: () => ({}) },
    resumed: path === null || checkpoint === undefined ? undefined : resumedFrom(path, checkpoint),
    damaged: [],
    begin: () => Promise.resolve(),
    check: () => Promise.resolve(),
    release: () => Promise.resolve(),
  };
}

/** Creates a log that computes the same results but writes nothing. */
function silentLog(run: string): RunLog {
  const startMs = monotonicMs();
  return {
    rejectsPath: devNull,
    begin: () => Promise.resolve(),
    event: () => undefined,
    failure: () => undefined,
    milestone: () => Promise.resolve(),
    steps: () => undefined,
    window: () => undefined,
    diagnosis: () => undefined,
    results: (best, evaluations) => Promise.resolve(collectMetrics(best, evaluations)),
    end: (facts, loop) => Promise.resolve(buildResult({ run, changes: [], startMs }, facts, loop)),
  };
}
