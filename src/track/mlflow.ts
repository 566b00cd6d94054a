import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { writeFileAtomic } from '../io/disk.js';
import { joined } from '../core/errors.js';
import type { StateSection } from '../core/state-section.js';
import {
  createMlflowClient,
  METRICS_PER_REQUEST,
  type MlflowClient,
  type MlflowInput,
  type MlflowMetric,
} from './mlflow-client.js';
import type { RunFile } from './mlflow-artifacts.js';
import { defineTracker, type RunEnd, type TrackedRun, type Tracker } from './tracker.js';

const stateSchema = z.strictObject({ runId: z.string().nullable() });
type MlflowState = z.output<typeof stateSchema>;
const section: StateSection<MlflowState> = { name: 'mlflow', version: 1, schema: stateSchema };

/** Maximum number of metrics queued while the server is unreachable; later ones are dropped and counted. */
const MAX_QUEUED = 100_000;

/** MLflow status by end of a run. */
const STATUS: Readonly<Record<RunEnd, string>> = {
  finished: 'FINISHED',
  'stopped early': 'FINISHED',
  interrupted: 'KILLED',
  failed: 'FAILED',
};

/** MLflow tracker: parameters, metrics by step, artifacts and the final status. */
export const mlflow = defineTracker({
  name: 'mlflow',
  keys: {
    mlflow: z
      .url({ protocol: /^https?$/, error: 'an MLflow tracking URI, such as http://127.0.0.1:5000' })
      .optional()
      .describe('MLflow tracking URI; credentials come from MLFLOW_TRACKING_USERNAME and _PASSWORD, or _TOKEN'),
    experiment: z.string().min(1).max(250).optional().describe('MLflow experiment; default: name of the config'),
  },
  *check({ mlflow: url, experiment }) {
    if (experiment !== undefined && url === undefined)
      yield {
        path: ['experiment'],
        message: 'requires an MLflow server; set mlflow, such as mlflow: http://127.0.0.1:5000',
      };
  },
  open({ mlflow: url, experiment }, run) {
    const state = run.getState(section, () => ({ runId: null }));
    return url === undefined
      ? undefined
      : createMlflowTracker(createMlflowClient(url, process.env), experiment ?? run.name, state, run);
  },
  async addFile(folder, file, warn) {
    const path = join(folder, RECORD);
    if (!existsSync(path)) return;
    const { url, runId } = recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    await createMlflowClient(url, process.env)
      .logArtifacts(runId, [file])
      .catch((error: unknown) => warn(describeMissingFiles(url, error, [file])));
  },
});

/** File of a run that names its MLflow run. */
const RECORD = 'mlflow.json';
const recordSchema = z.strictObject({ url: z.string(), runId: z.string() });

function describeMissingFiles(url: string, error: unknown, files: readonly RunFile[]): string {
  const shown = files.slice(0, 3).map(({ path }) => path);
  const more = files.length > shown.length ? ` and ${files.length - shown.length} more files` : '';
  const reason = error instanceof Error ? error.message : String(error);
  return `MLflow at ${url}: ${reason}; not uploaded: ${shown.join(', ')}${more}`;
}

/** Lists the data sets of a config. */
function listInputs(hparams: TrackedRun['hparams']): readonly MlflowInput[] {
  return ['train', 'valid', 'test', 'source'].flatMap((context) => {
    const uri = hparams.get(`data.${context}`);
    return typeof uri === 'string' && uri !== 'null'
      ? [{ context, name: `${context}: ${uri}`.slice(0, 250), digest: computeDigest(uri), uri }]
      : [];
  });
}

/** Digest of a path and of the size and time of its file. */
function computeDigest(uri: string): string {
  const stats = statSync(uri, { throwIfNoEntry: false });
  return createHash('sha256')
    .update(JSON.stringify([uri, stats?.size, stats?.mtimeMs]))
    .digest('hex')
    .slice(0, 16);
}

/**
 * Creates a tracker that sends metrics in the background and queues them while the server is unreachable. The run waits
 * for the server only at its start and end.
 */
function createMlflowTracker(
  client: MlflowClient,
  experiment: string,
  state: MlflowState,
  { name, folder, hparams, artifacts, warn }: TrackedRun,
): Tracker {
  let queue: MlflowMetric[] = [];
  let numDropped = 0;
  /** Last step of each metric on the server when the run was reopened; steps up to it are not sent again. */
  let lastSentSteps: ReadonlyMap<string, number> = new Map();
  let isFound = false;
  /** True for a resumed run; MLflow rejects other values for a parameter. */
  let hasParams = state.runId !== null;
  let hasWarned = false;
  /** Requests are sent one after the other. */
  let sending = Promise.resolve();

  /** Creates or reopens the run once the server answers. */
  const openRun = async (): Promise<void> => {
    if (isFound) return;
    if (state.runId === null)
      state.runId = await client.createRun(await client.experimentId(experiment), {
        name,
        startMs: wallClockMs(),
        tags: { 'mtl.run': folder },
      });
    else lastSentSteps = await client.reopen(state.runId);
    if (!hasParams) {
      await client.logParams(state.runId, hparams);
      await client.logInputs(state.runId, listInputs(hparams));
    }
    [hasParams, isFound] = [true, true];
  };
  const send = async (): Promise<void> => {
    await openRun();
    while (queue.length > 0) {
      const batch = queue.slice(0, METRICS_PER_REQUEST);
      await client.logMetrics(
        state.runId!,
        batch.filter(({ key, step }) => step > (lastSentSteps.get(key) ?? -1)),
      );
      queue = queue.slice(batch.length);
    }
  };
  const warnOnce = (error: unknown): void => {
    if (!hasWarned)
      warn(
        `MLflow at ${client.url}: ${error instanceof Error ? error.message : String(error)}; ` +
          'the run continues and sends its metrics when the server answers',
      );
    hasWarned = true;
    // The server may have received a request that timed out.
    isFound = false;
  };
  const sendInBackground = (): Promise<void> => (sending = sending.then(send).catch(warnOnce));
  return {
    begin: () => sendInBackground(),
    scalars(step, values) {
      const timestamp = wallClockMs();
      for (const [key, value] of Object.entries(values)) {
        if (queue.length < MAX_QUEUED) queue.push({ key: toKey(key), value, timestamp, step });
        else numDropped++;
      }
      if (queue.length >= METRICS_PER_REQUEST && isFound && !hasWarned) void sendInBackground();
    },
    // MLflow charts show only metrics by step.
    predictions: () => undefined,
    flush() {
      void sendInBackground();
      return Promise.resolve();
    },
    async end(runEnd) {
      await sendInBackground();
      const numLost = queue.length + numDropped;
      if (numLost > 0)
        warn(joined(`MLflow at ${client.url}: ${numLost} metric values were not sent`, `they are in ${folder}`));
      if (!isFound) return;
      const runId = state.runId!;
      if (STATUS[runEnd] === 'FINISHED') {
        await writeFileAtomic(join(folder, RECORD), `${JSON.stringify({ url: client.url, runId })}\n`);
        const files = artifacts();
        await client
          .logArtifacts(runId, files)
          .catch((error: unknown) => warn(describeMissingFiles(client.url, error, files)));
      }
      await client.endRun(runId, STATUS[runEnd], wallClockMs()).catch(warnOnce);
    },
  };
}

/** Replaces characters that MLflow rejects: it accepts letters, digits, _ - . / and spaces. */
function toKey(name: string): string {
  return name.replace(/[^\w./ -]/g, '_').slice(0, 250);
}
