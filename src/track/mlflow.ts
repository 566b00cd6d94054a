import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { wallClockMs } from '../system/clock.js';
import { writeFileAtomic } from '../io/disk.js';
import { joined } from '../core/errors.js';
import type { StateSection } from '../core/state-section.js';
import { METRICS_PER_REQUEST, MlflowClient, type MlflowInput, type MlflowMetric } from './mlflow-client.js';
import type { RunFile } from './mlflow-artifacts.js';
import { listModelFiles, listOwnFiles, nameModel } from './mlflow-model.js';
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
      : new MlflowTracker(new MlflowClient(url, process.env), experiment ?? run.name, state, run);
  },
  async addFile(folder, file, warn) {
    const run = findRun(folder);
    await run?.client
      .logArtifacts(run.id, [file])
      .catch((error: unknown) => warn(describeMissingFiles(run.client.url, error, [file])));
  },
  async addModel(folder, model, warn) {
    const run = findRun(folder);
    if (run === undefined) return undefined;
    const { client, id: runId } = run;
    const logged = {
      name: nameModel(model),
      step: model.step,
      files: (modelId: string, artifactUri: string) => listModelFiles(model, { runId, modelId, artifactUri }),
    };
    return client.logModel(runId, logged).catch((error: unknown) => {
      warn(describeMissingFiles(client.url, error, listOwnFiles(model)));
      return undefined;
    });
  },
});

/** File of a run that names its MLflow run. */
const RECORD = 'mlflow.json';
const recordSchema = z.strictObject({ url: z.string(), runId: z.string() });

/** Finds the MLflow run of a completed run. */
function findRun(folder: string): { readonly client: MlflowClient; readonly id: string } | undefined {
  const path = join(folder, RECORD);
  if (!existsSync(path)) return undefined;
  const { url, runId } = recordSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  return { client: new MlflowClient(url, process.env), id: runId };
}

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
 * Sends metrics in the background and queues them while the server is unreachable. The run waits for the server only at
 * its start and end.
 */
class MlflowTracker implements Tracker {
  readonly #client: MlflowClient;
  readonly #experiment: string;
  readonly #state: MlflowState;
  readonly #run: TrackedRun;
  #queue: MlflowMetric[] = [];
  #numDropped = 0;
  /** Last step of each metric on the server when the run was reopened; steps up to it are not sent again. */
  #lastSentSteps: ReadonlyMap<string, number> = new Map();
  #isFound = false;
  /** True for a resumed run; MLflow rejects other values for a parameter. */
  #hasParams: boolean;
  #hasWarned = false;
  /** Requests are sent one after the other. */
  #sending = Promise.resolve();

  constructor(client: MlflowClient, experiment: string, state: MlflowState, run: TrackedRun) {
    this.#client = client;
    this.#experiment = experiment;
    this.#state = state;
    this.#run = run;
    this.#hasParams = state.runId !== null;
  }

  begin(): Promise<void> {
    return this.#sendInBackground();
  }

  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const timestamp = wallClockMs();
    for (const [key, value] of Object.entries(values)) {
      if (this.#queue.length < MAX_QUEUED) this.#queue.push({ key: toKey(key), value, timestamp, step });
      else this.#numDropped++;
    }
    if (this.#queue.length >= METRICS_PER_REQUEST && this.#isFound && !this.#hasWarned) void this.#sendInBackground();
  }

  /** MLflow charts show only metrics by step. */
  predictions(): void {}

  flush(): Promise<void> {
    void this.#sendInBackground();
    return Promise.resolve();
  }

  async end(runEnd: RunEnd): Promise<void> {
    await this.#sendInBackground();
    const { url } = this.#client;
    const { folder, warn } = this.#run;
    const numLost = this.#queue.length + this.#numDropped;
    if (numLost > 0) warn(joined(`MLflow at ${url}: ${numLost} metric values were not sent`, `they are in ${folder}`));
    if (!this.#isFound) return;
    const runId = this.#state.runId!;
    const status = STATUS[runEnd];
    if (status === 'FINISHED') {
      await writeFileAtomic(join(folder, RECORD), `${JSON.stringify({ url, runId })}\n`);
      const files = this.#run.artifacts();
      await this.#client
        .logArtifacts(runId, files)
        .catch((error: unknown) => warn(describeMissingFiles(url, error, files)));
    }
    await this.#client.endRun(runId, status, wallClockMs()).catch((error: unknown) => this.#warnOnce(error));
  }

  #sendInBackground(): Promise<void> {
    return (this.#sending = this.#sending.then(() => this.#send()).catch((error: unknown) => this.#warnOnce(error)));
  }

  async #send(): Promise<void> {
    await this.#openRun();
    while (this.#queue.length > 0) {
      const batch = this.#queue.slice(0, METRICS_PER_REQUEST);
      await this.#client.logMetrics(
        this.#state.runId!,
        batch.filter(({ key, step }) => step > (this.#lastSentSteps.get(key) ?? -1)),
      );
      this.#queue = this.#queue.slice(batch.length);
    }
  }

  /** Creates or reopens the run once the server answers. */
  async #openRun(): Promise<void> {
    if (this.#isFound) return;
    const { name, folder, hparams } = this.#run;
    if (this.#state.runId === null)
      this.#state.runId = await this.#client.createRun(await this.#client.experimentId(this.#experiment), {
        name,
        startMs: wallClockMs(),
        tags: { 'mtl.run': folder },
      });
    else this.#lastSentSteps = await this.#client.reopen(this.#state.runId);
    if (!this.#hasParams) {
      await this.#client.logParams(this.#state.runId, hparams);
      await this.#client.logInputs(this.#state.runId, listInputs(hparams));
    }
    [this.#hasParams, this.#isFound] = [true, true];
  }

  #warnOnce(error: unknown): void {
    if (!this.#hasWarned)
      this.#run.warn(
        `MLflow at ${this.#client.url}: ${error instanceof Error ? error.message : String(error)}; ` +
          'the run continues and sends its metrics when the server answers',
      );
    this.#hasWarned = true;
    // The server may have received a request that timed out.
    this.#isFound = false;
  }
}

/** Replaces characters that MLflow rejects: it accepts letters, digits, _ - . / and spaces. */
function toKey(name: string): string {
  return name.replace(/[^\w./ -]/g, '_').slice(0, 250);
}
